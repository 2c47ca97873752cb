"""One cycle's questions to the sources, and what their answers say of each signal."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import chain

import structlog

from app.domain.profiles import PRESSURE_OF, ProfileKind, Resource
from app.errors import SourceError
from app.history.connection_history import ConnectionHistory
from app.history.samples import (
    STEP_SECONDS,
    STEPS_PER_DAY,
    ConnectionSamples,
    ContainerSamples,
    StepRange,
    contiguous,
    day_of,
)
from app.history.usage_history import UsageHistory
from app.profiler.attribution import Attributions
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve
from app.profiler.cycle.signals import (
    PAST_UNREAD,
    Answers,
    Health,
    Signal,
    SignalState,
    connection_state,
    signs_unknown,
    usage_state,
)
from app.profiler.ports import UsageSource

# Samples of the newest minute may not have reached every Prometheus yet.
GRACE_SECONDS = 60
# A past that can't be read for so long may never be: stored values move on what there is.
_PATIENCE_STEPS = STEPS_PER_DAY
Progress = Callable[[int, int], None]
log = structlog.get_logger(__name__)


def newest_complete_step(now_seconds: float) -> int:
    """The last step whose samples can be expected to be there."""
    return int((now_seconds - GRACE_SECONDS) // STEP_SECONDS)


def wanted_steps(newest_step: int, history_days: int) -> StepRange:
    """Today and the *history_days* before it, whole days so that every reader of the past reads the same."""
    return StepRange((day_of(newest_step) - history_days) * STEPS_PER_DAY + 1, newest_step)


@dataclass(slots=True)
class CollectedSamples:
    """What one cycle brought: the state of each signal and what could not be attributed."""

    states: list[SignalState] = field(default_factory=list)
    samples: int = 0
    unread_past: set[ProfileKind] = field(default_factory=set)  # kinds of profiles that wait for it
    unattributed_namespaces: set[str] = field(default_factory=set)
    past_pods_by: str = ""
    unknown_edges: int = 0  # in the answer on the newest steps

    @property
    def answered_kinds(self) -> set[ProfileKind]:
        """The kinds of profiles whose source answers."""
        return {
            state.signal.profile_kind for state in self.states if state.health in {Health.OK, Health.DEGRADED}
        }

    @property
    def has_usage(self) -> bool:
        """True where CPU or memory was answered; nothing is known of anybody's usage elsewhere."""
        usage = (state for state in self.states if state.signal is not Signal.CONNECTIONS)
        return any(state.health is not Health.FAILING for state in usage)


class _Meter:
    """Counts the steps that were answered or given up, of all signals."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def advance(self, steps: int) -> None:
        self._done = min(self._done + steps, self._total)
        self._progress(self._done, self._total)

    def finish(self) -> None:
        """What was not answered is given up, for this cycle."""
        if self._done < self._total:
            self.advance(self._total)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """What the questions of one cycle have in common."""

    newest_step: int
    attributions: Attributions
    meter: _Meter
    gathered: CollectedSamples = field(default_factory=CollectedSamples)


class SampleCollector:
    """Asks for the steps that are missing, folds whole answers, and never folds a part of one."""

    def __init__(self, source: UsageSource, history: UsageHistory, connections: ConnectionHistory) -> None:
        self._source = source
        self._history = history
        self._connections = connections
        self._folding = asyncio.Lock()  # both resources number their series in one place
        self._mesh_seen = False
        self._states: dict[Signal, SignalState] = {}
        self._signs_unknown: dict[Signal, SignalState] = {}
        self._past_pods_by = ""
        self._unknown_edges = 0
        self._unread_since: dict[Signal, int] = {}  # the step in which a signal's past began to be refused

    async def collect(
        self, wanted: StepRange, directory: ClusterSnapshot, progress: Progress
    ) -> CollectedSamples:
        """Bring the state up to `wanted.last`."""
        usage = {
            resource: self._to_ask(Signal.of(resource), self._history.missing(resource, wanted), wanted.last)
            for resource in Resource
        }
        edges = self._to_ask(Signal.CONNECTIONS, self._connections.missing(wanted.last), wanted.last)
        cycle = _Cycle(
            wanted.last,
            Attributions(self._source, directory),
            _Meter(progress, sum(map(len, chain(*usage.values(), edges)))),
        )
        states = await asyncio.gather(
            *(self._ask_usage(resource, usage[resource], cycle) for resource in Resource),
            self._ask_edges(edges, cycle),
        )
        cycle.meter.finish()
        # A signal of which there was nothing to ask stands as it stood.
        self._states |= {state.signal: state for state in states if state}
        self._note_known_by(cycle.attributions.known_by)
        gathered = cycle.gathered
        gathered.states = [self._with_signs(state) for state in self._states.values()]
        gathered.unread_past = self._unread_past(wanted)
        gathered.past_pods_by = self._past_pods_by
        gathered.unknown_edges = self._unknown_edges
        return gathered

    def _to_ask(self, signal: Signal, missing: list[StepRange], newest_step: int) -> list[StepRange]:
        """What is missing; the newest step again where it is not known if the source answers at all."""
        known = self._states.get(signal)
        if not missing and (known is None or known.health is Health.FAILING):
            return [StepRange(newest_step, newest_step)]
        return contiguous(missing)

    def _unread_past(self, wanted: StepRange) -> set[ProfileKind]:
        """The kinds of profiles of which some past is to be read yet, if it can be."""
        missing = {Signal.of(resource) for resource in Resource if self._history.missing(resource, wanted)}
        if self._connections.missing(wanted.last):
            missing.add(Signal.CONNECTIONS)
        for signal, state in self._states.items():
            if state.reason == PAST_UNREAD:
                self._unread_since.setdefault(signal, wanted.last)
            elif state.health is not Health.FAILING:  # as far as it was asked for, it was answered
                self._unread_since.pop(signal, None)
        given_up = {
            signal for signal, since in self._unread_since.items() if wanted.last - since >= _PATIENCE_STEPS
        }
        return {signal.profile_kind for signal in missing - given_up}

    def _with_signs(self, state: SignalState) -> SignalState:
        """Usage that is known, without what would raise it, is degraded."""
        return self._signs_unknown.get(state.signal, state) if state.health is Health.OK else state

    def _note_known_by(self, known_by: str) -> None:
        if known_by and known_by != self._past_pods_by:
            log.info("past_pods_attributed", by=known_by)
            self._past_pods_by = known_by

    async def _ask_usage(
        self, resource: Resource, parts: list[StepRange], cycle: _Cycle
    ) -> SignalState | None:
        async def ask(part: StepRange, answers: Answers) -> None:
            async for days in self._source.container_samples(resource, part):
                await self._fold_usage(days, cycle, answers)

        answers = await _ask_all(parts, ask, cycle.newest_step)
        await self._ask_signs(resource, cycle)
        return usage_state(resource, answers) if parts else None

    async def _ask_edges(self, parts: list[StepRange], cycle: _Cycle) -> SignalState | None:
        async def ask(part: StepRange, answers: Answers) -> None:
            async for samples in self._source.connection_samples(part):
                await self._fold_edges(samples, cycle, answers)

        answers = await _ask_all(parts, ask, cycle.newest_step)
        return connection_state(answers, mesh_seen=self._mesh_seen) if parts else None

    async def _fold_usage(self, days: list[ContainerSamples], cycle: _Cycle, answers: Answers) -> None:
        """Take one answer, the newest of its days first."""
        steps = StepRange(days[-1].steps.first, days[0].steps.last)
        for samples in days:
            answers.unusable += samples.unusable
            answers.series.append(len(samples.containers))
            cycle.meter.advance(len(samples.steps))
            # What is empty, and all that is newer too, may be filled later: it stays to be asked again.
            if not answers.has_samples:
                continue
            attribution = await cycle.attributions.of(samples.containers, steps)
            async with self._folding:
                folded = await asyncio.to_thread(self._history.fold, samples, attribution)
            answers.folded = True
            cycle.gathered.samples += folded.samples
            cycle.gathered.unattributed_namespaces |= {namespace for namespace, _ in folded.unattributed_pods}

    async def _ask_signs(self, resource: Resource, cycle: _Cycle) -> None:
        """Asked on the steps whose usage is known; usage goes on without an answer."""
        missing = self._history.missing_pressure(resource, cycle.newest_step)
        if not missing:
            return
        try:
            for steps in missing:
                async for samples in self._source.pressure_samples(PRESSURE_OF[resource], steps):
                    attribution = await cycle.attributions.of(samples.containers, samples.steps)
                    async with self._folding:
                        await asyncio.to_thread(self._history.fold_pressure, samples, attribution)
        except SourceError as error:
            self._signs_unknown[Signal.of(resource)] = signs_unknown(resource, error)
            return
        self._signs_unknown.pop(Signal.of(resource), None)

    async def _fold_edges(self, samples: ConnectionSamples, cycle: _Cycle, answers: Answers) -> None:
        answers.unusable += samples.unusable
        answers.series.append(len(samples.sources))
        cycle.meter.advance(len(samples.steps))
        self._mesh_seen = self._mesh_seen or bool(samples.sources or self._connections.sources)
        if answers.has_samples:
            resolved = await asyncio.to_thread(resolve, samples, cycle.attributions.present)
            if len(answers.series) == 1:
                self._unknown_edges = resolved.unknown_ends
            await asyncio.to_thread(self._connections.fold, resolved)
            answers.folded = True


Ask = Callable[[StepRange, Answers], Awaitable[None]]


async def _ask_all(parts: list[StepRange], ask: Ask, newest_step: int) -> Answers:
    """Ask for every part, newest first; the first failure ends the signal's questions."""
    answers = Answers(newest_was_known=bool(parts) and parts[0].last < newest_step)
    try:
        for part in parts:
            await ask(part, answers)
    except SourceError as error:
        answers.error = error
    answers.off = bool(parts) and not answers.series and answers.error is None
    return answers

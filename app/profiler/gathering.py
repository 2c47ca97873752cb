"""One cycle's questions to the sources, and what their answers say of each signal."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from app.domain.profiles import SIGN_OF_NEED, Resource
from app.domain.resources import KINDS
from app.errors import SourceError
from app.estimation.connection_rows import ConnectionRows
from app.estimation.samples import STEP_SECONDS, STEPS_PER_DAY, StepRange, day_of
from app.estimation.usage_history import UsageHistory
from app.profiler.attribution import Attributions
from app.profiler.ports import Directory, UsageSource
from app.profiler.resolution import resolve
from app.profiler.signals import (
    CONNECTIONS,
    Answers,
    SignalState,
    State,
    connection_state,
    signs_unknown,
    usage_state,
)

# Samples of the newest minute may not have reached every Prometheus yet.
GRACE_SECONDS = 60
Progress = Callable[[int, int], None]
log = structlog.get_logger(__name__)


def newest_complete_step(now_seconds: float) -> int:
    """The last step whose samples can be expected to be there."""
    return int((now_seconds - GRACE_SECONDS) // STEP_SECONDS)


def wanted_steps(newest_step: int, history_days: int) -> StepRange:
    """Today and the *history_days* before it, whole days so that every reader of the past reads the same."""
    return StepRange((day_of(newest_step) - history_days) * STEPS_PER_DAY + 1, newest_step)


@dataclass(slots=True)
class Gathered:
    """What one cycle brought: the state of each signal and what could not be attributed."""

    states: list[SignalState] = field(default_factory=list)
    samples: int = 0
    unattributed_namespaces: set[str] = field(default_factory=set)
    past_pods_by: str = ""
    unknown_edges: int = 0  # in the answer on the newest steps

    @property
    def answered_kinds(self) -> set[str]:
        """The kinds of profiles whose source answers: keys of `KINDS`."""
        answered = {state.signal for state in self.states if state.state in {State.OK, State.DEGRADED}}
        return {kind for kind in KINDS if (CONNECTIONS if kind == "connection" else kind) in answered}

    @property
    def has_usage(self) -> bool:
        """True where CPU or memory was answered; nothing is known of anybody's usage elsewhere."""
        usage = (state for state in self.states if state.signal != CONNECTIONS)
        return any(state.state is not State.FAILING for state in usage)


class _Meter:
    """Counts questions that were answered or given up."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def advance(self, questions: int) -> None:
        self._done += questions
        self._progress(self._done, self._total)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """What the questions of one cycle have in common."""

    newest_step: int
    attributions: Attributions
    meter: _Meter
    gathered: Gathered = field(default_factory=Gathered)


class Gatherer:
    """Asks for the steps that are missing, folds whole answers, and never folds a part of one."""

    def __init__(self, source: UsageSource, history: UsageHistory, connections: ConnectionRows) -> None:
        self._source = source
        self._history = history
        self._connections = connections
        self._folding = asyncio.Lock()  # both resources number their series in one place
        self._mesh_seen = False
        self._states: dict[str, SignalState] = {}
        self._signs_unknown: dict[str, SignalState] = {}
        self._past_pods_by = ""
        self._unknown_edges = 0

    async def gather(self, wanted: StepRange, directory: Directory, progress: Progress) -> Gathered:
        """Bring the state up to `wanted.last`."""
        usage = {resource: self._history.missing(resource, wanted) for resource in Resource}
        edges = self._connections.missing(wanted.last)
        signs = filter(None, (self._history.missing_signs(resource, wanted.last) for resource in Resource))
        asked = [part for parts in (*usage.values(), signs) for part in parts]
        cycle = _Cycle(
            wanted.last,
            Attributions(self._source, directory, asked),
            _Meter(progress, sum(map(len, usage.values())) + len(edges)),
        )
        states = await asyncio.gather(
            *(self._ask_usage(resource, usage[resource], cycle) for resource in Resource),
            self._ask_edges(edges, cycle),
        )
        # A signal of which there was nothing to ask stands as it stood.
        self._states |= {state.signal: state for state in states if state}
        self._note_known_by(cycle.attributions.known_by)
        gathered = cycle.gathered
        gathered.states = [self._with_signs(state) for state in self._states.values()]
        gathered.past_pods_by = self._past_pods_by
        gathered.unknown_edges = self._unknown_edges
        return gathered

    def _with_signs(self, state: SignalState) -> SignalState:
        """Usage that is known, without what would raise it, is degraded."""
        return self._signs_unknown.get(state.signal, state) if state.state is State.OK else state

    def _note_known_by(self, known_by: str) -> None:
        if known_by and known_by != self._past_pods_by:
            log.info("past_pods_attributed", by=known_by)
            self._past_pods_by = known_by

    async def _ask_usage(
        self, resource: Resource, parts: list[StepRange], cycle: _Cycle
    ) -> SignalState | None:
        async def ask(part: StepRange, answers: Answers) -> None:
            await self._containers(resource, part, cycle, answers)

        answers = await _ask_all(parts, ask, cycle.meter)
        await self._ask_signs(resource, cycle)
        return usage_state(resource, answers) if parts else None

    async def _ask_edges(self, parts: list[StepRange], cycle: _Cycle) -> SignalState | None:
        async def ask(part: StepRange, answers: Answers) -> None:
            await self._edges(part, cycle, answers)

        answers = await _ask_all(parts, ask, cycle.meter)
        return connection_state(answers, mesh_seen=self._mesh_seen) if parts else None

    async def _containers(self, resource: Resource, part: StepRange, cycle: _Cycle, answers: Answers) -> None:
        samples = await self._source.container_samples(resource, part)
        answers.unusable += samples.unusable
        answers.series.append(len(samples.containers))
        # What is empty, and all that is newer too, may be filled later: it stays to be asked again.
        if not any(answers.series):
            return
        attribution = await cycle.attributions.of(samples.containers)
        async with self._folding:
            folded = await asyncio.to_thread(self._history.fold, samples, attribution)
        cycle.gathered.samples += folded.samples
        cycle.gathered.unattributed_namespaces |= {namespace for namespace, _ in folded.unattributed_pods}

    async def _ask_signs(self, resource: Resource, cycle: _Cycle) -> None:
        """One question, on the steps whose usage is known; usage goes on without an answer."""
        steps = self._history.missing_signs(resource, cycle.newest_step)
        if steps is None:
            return
        try:
            samples = await self._source.need_signals(SIGN_OF_NEED[resource], steps)
            attribution = await cycle.attributions.of(samples.containers)
        except SourceError as error:
            self._signs_unknown[resource.value] = signs_unknown(resource, error)
            return
        async with self._folding:
            await asyncio.to_thread(self._history.fold_signs, samples, attribution)
        self._signs_unknown.pop(resource.value, None)

    async def _edges(self, part: StepRange, cycle: _Cycle, answers: Answers) -> None:
        samples = await self._source.connection_samples(part)
        if samples is None:
            answers.off = True
            return
        answers.unusable += samples.unusable
        answers.series.append(len(samples.sources))
        self._mesh_seen = self._mesh_seen or bool(samples.sources)
        if any(answers.series):
            resolved = await asyncio.to_thread(resolve, samples, cycle.attributions.present)
            if len(answers.series) == 1:
                self._unknown_edges = resolved.unknown_ends
            await asyncio.to_thread(self._connections.fold, resolved)


Ask = Callable[[StepRange, Answers], Awaitable[None]]


async def _ask_all(parts: list[StepRange], ask: Ask, meter: _Meter) -> Answers:
    """Ask for every part, newest first; the first failure ends the signal's questions."""
    answers = Answers()
    for number, part in enumerate(parts):
        try:
            await ask(part, answers)
        except SourceError as error:
            answers.error = error
            meter.advance(len(parts) - number)
            break
        meter.advance(1)
    return answers

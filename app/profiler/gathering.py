"""One cycle's questions to the sources, and what their answers say of each signal."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from app.domain.profiles import Resource
from app.domain.resources import KINDS
from app.domain.workloads import Workload
from app.errors import SourceError
from app.estimation.connection_rows import ConnectionRows
from app.estimation.samples import STEP_SECONDS, STEPS_PER_DAY, StepRange, day_of
from app.estimation.usage_history import UsageHistory
from app.profiler.attribution import Attribution
from app.profiler.ports import Directory, UsageSource
from app.profiler.resolution import resolve
from app.profiler.signals import CONNECTIONS, SignalState, State

# Samples of the newest minute may not have reached every Prometheus yet.
GRACE_SECONDS = 60
_METRICS = {
    Resource.CPU: "container_cpu_usage_seconds_total",
    Resource.MEMORY: "container_memory_working_set_bytes",
}
# How Pods that are gone find their workload.
PAST_PODS_BY_OWNERS, PAST_PODS_BY_NAMES = "kube-state-metrics", "names"
Progress = Callable[[int, int], None]


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


@dataclass(slots=True)
class _Answers:
    """What the answers to one signal's questions had in common."""

    series: list[int] = field(default_factory=list)  # in each answer; that on the newest steps comes first
    unusable: int = 0
    off: bool = False
    error: SourceError | None = None

    @property
    def newest_is_empty(self) -> bool:
        return self.series[:1] == [0]


class Gatherer:
    """Asks for the steps that are missing, folds whole answers, and never folds a part of one."""

    def __init__(self, source: UsageSource, history: UsageHistory, connections: ConnectionRows) -> None:
        self._source = source
        self._history = history
        self._connections = connections
        self._folding = asyncio.Lock()  # both resources number their series in one place
        self._mesh_seen = False
        self._states: dict[str, SignalState] = {}
        self._past_pods_by = ""
        self._unknown_edges = 0

    async def gather(self, wanted: StepRange, directory: Directory, progress: Progress) -> Gathered:
        """Bring the state up to `wanted.last`."""
        gathered = Gathered()
        questions = {resource: self._history.missing(resource, wanted) for resource in Resource}
        edges = self._connections.missing(wanted.last)
        meter = _Meter(progress, sum(map(len, questions.values())) + len(edges))
        owners = asyncio.create_task(self._past_owners(list(chain(*questions.values()))))

        async def ask_containers(resource: Resource) -> SignalState:
            async def ask(part: StepRange, answers: _Answers) -> None:
                attribute = Attribution(directory, await owners)
                await self._containers(resource, part, attribute, gathered, answers)

            return _container_state(resource, await _ask_all(questions[resource], ask, meter))

        async def ask_edges() -> SignalState:
            async def ask(part: StepRange, answers: _Answers) -> None:
                await self._edges(part, Attribution(directory), answers)

            return _connection_state(await _ask_all(edges, ask, meter), mesh_seen=self._mesh_seen)

        asked = [ask_containers(resource) for resource in Resource if questions[resource]]
        states = await asyncio.gather(*asked, *([ask_edges()] if edges else []))
        # A signal of which there was nothing to ask stands as it stood.
        self._states |= {state.signal: state for state in states}
        gathered.states = list(self._states.values())
        gathered.past_pods_by = self._past_pods_by
        gathered.unknown_edges = self._unknown_edges
        return gathered

    async def _past_owners(self, parts: list[StepRange]) -> Mapping[tuple[str, str], Workload]:
        """Who owned the Pods of all *parts*, asked at once."""
        if not parts:
            return {}
        whole = StepRange(min(part.first for part in parts), max(part.last for part in parts))
        owners = await self._source.pod_owners(whole)
        self._past_pods_by = PAST_PODS_BY_OWNERS if owners else PAST_PODS_BY_NAMES
        return owners

    async def _containers(
        self,
        resource: Resource,
        part: StepRange,
        attribute: Attribution,
        gathered: Gathered,
        answers: _Answers,
    ) -> None:
        samples = await self._source.container_samples(resource, part)
        answers.unusable += samples.unusable
        answers.series.append(len(samples.containers))
        # What is empty, and all that is newer too, may be filled later: it stays to be asked again.
        if not any(answers.series):
            return
        async with self._folding:
            folded = await asyncio.to_thread(self._history.fold, samples, attribute)
        gathered.samples += folded.samples
        gathered.unattributed_namespaces |= {namespace for namespace, _ in folded.unattributed_pods}

    async def _edges(self, part: StepRange, attribution: Attribution, answers: _Answers) -> None:
        samples = await self._source.connection_samples(part)
        if samples is None:
            answers.off = True
            return
        answers.unusable += samples.unusable
        answers.series.append(len(samples.sources))
        self._mesh_seen = self._mesh_seen or bool(samples.sources)
        if any(answers.series):
            resolved = await asyncio.to_thread(resolve, samples, attribution)
            if len(answers.series) == 1:
                self._unknown_edges = resolved.unknown_ends
            await asyncio.to_thread(self._connections.fold, resolved)


class _Meter:
    """Counts questions that were answered or given up."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def advance(self, questions: int) -> None:
        self._done += questions
        self._progress(self._done, self._total)


Ask = Callable[[StepRange, _Answers], Awaitable[None]]


async def _ask_all(parts: list[StepRange], ask: Ask, meter: _Meter) -> _Answers:
    """Ask for every part, newest first; the first failure ends the signal's questions."""
    answers = _Answers()
    for number, part in enumerate(parts):
        try:
            await ask(part, answers)
        except SourceError as error:
            answers.error = error
            meter.advance(len(parts) - number)
            break
        meter.advance(1)
    return answers


def _container_state(resource: Resource, answers: _Answers) -> SignalState:
    if answers.error:
        return _failing(resource.value, answers.error)
    if answers.newest_is_empty:
        message = (
            f"Prometheus has no new {_METRICS[resource]} samples: does it scrape the kubelets' cAdvisor?"
        )
        return SignalState(resource.value, State.EMPTY, "NoSamples", message)
    return _answered(resource.value, answers)


def _connection_state(answers: _Answers, *, mesh_seen: bool) -> SignalState:
    if answers.off:
        return SignalState(CONNECTIONS, State.OFF, "Off", "connections are not asked for")
    if answers.error:
        return _failing(CONNECTIONS, answers.error)
    if not mesh_seen:
        message = "Prometheus holds no service mesh metrics: CPU and memory profiles only"
        return SignalState(CONNECTIONS, State.ABSENT, "NoMesh", message)
    if answers.newest_is_empty:
        message = "Prometheus has no new samples of the mesh's proxies: are they still scraped?"
        return SignalState(CONNECTIONS, State.EMPTY, "NoSamples", message)
    return _answered(CONNECTIONS, answers)


def _failing(signal: str, error: SourceError) -> SignalState:
    return SignalState(signal, State.FAILING, error.reason, str(error))


def _answered(signal: str, answers: _Answers) -> SignalState:
    if answers.unusable:
        message = "samples that were NaN, infinite or negative were left out"
        return SignalState(signal, State.DEGRADED, "UnusableSamples", message)
    return SignalState(signal, State.OK, "Answered", "")

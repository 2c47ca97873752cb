"""Collection of missing samples: queries of a cycle, folds of their results, and the state of each signal."""

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
    day_of,
    merge_adjacent,
)
from app.history.usage_history import UsageHistory
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.attributions import Attributions
from app.profiler.cycle.resolution import resolve
from app.profiler.cycle.signals import (
    PAST_UNREAD,
    Health,
    Signal,
    SignalResults,
    SignalState,
    connection_state,
    pressure_unknown_state,
    usage_state,
)
from app.profiler.ports import UsageSource

# Samples of the newest minute may not have reached every Prometheus yet.
GRACE_SECONDS = 60
# After a day of failed reads of older steps, profiles are updated without them.
_PATIENCE_STEPS = STEPS_PER_DAY
Progress = Callable[[int, int], None]
log = structlog.get_logger(__name__)


def newest_complete_step(now_seconds: float) -> int:
    """The last step with samples that the source should have by now."""
    return int((now_seconds - GRACE_SECONDS) // STEP_SECONDS)


def wanted_steps(newest_step: int, history_days: int) -> StepRange:
    """Today and the *history_days* before it: whole days, so that every leader reads the same past."""
    return StepRange((day_of(newest_step) - history_days) * STEPS_PER_DAY + 1, newest_step)


@dataclass(slots=True)
class CollectedSamples:
    """The outcome of one cycle's queries: the state of each signal and what could not be attributed."""

    states: list[SignalState] = field(default_factory=list)
    samples: int = 0
    unread_past: set[ProfileKind] = field(default_factory=set)  # kinds of profiles that wait for their past
    unattributed_namespaces: set[str] = field(default_factory=set)
    past_owner_source: str = ""
    unknown_edges: int = 0  # edges with an unidentified endpoint in the result for the newest steps

    @property
    def answered_kinds(self) -> set[ProfileKind]:
        """The kinds of profiles with successful queries."""
        return {
            state.signal.profile_kind for state in self.states if state.health in {Health.OK, Health.DEGRADED}
        }

    @property
    def usage_queries_answered(self) -> bool:
        """True unless the queries for CPU and memory both fail."""
        usage = (state for state in self.states if state.signal is not Signal.CONNECTIONS)
        return any(state.health is not Health.FAILING for state in usage)


class _Meter:
    """Counts the steps of all signals that were read or given up."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def advance(self, steps: int) -> None:
        self._done = min(self._done + steps, self._total)
        self._progress(self._done, self._total)

    def finish(self) -> None:
        """Count the steps that this cycle gives up."""
        if self._done < self._total:
            self.advance(self._total)


@dataclass(frozen=True, slots=True)
class _QueryContext:
    """The inputs and the outcome that all queries of one cycle share."""

    newest_step: int
    attributions: Attributions
    meter: _Meter
    collected: CollectedSamples = field(default_factory=CollectedSamples)


class SampleCollector:
    """Queries the missing steps and folds complete results, never a part of one."""

    def __init__(self, source: UsageSource, history: UsageHistory, connections: ConnectionHistory) -> None:
        self._source = source
        self._history = history
        self._connections = connections
        self._folding = asyncio.Lock()  # both resources share one numbering of series
        self._mesh_seen = False
        self._states: dict[Signal, SignalState] = {}
        self._pressure_unknown: dict[Signal, SignalState] = {}
        self._past_owner_source = ""
        self._unknown_edges = 0
        self._unread_since: dict[Signal, int] = {}  # the step in which a signal's past became unreadable

    async def collect(
        self, wanted: StepRange, snapshot: ClusterSnapshot, progress: Progress
    ) -> CollectedSamples:
        """Bring the history up to `wanted.last`."""
        usage = {
            resource: self._parts_to_query(
                Signal.of(resource), self._history.missing(resource, wanted), wanted.last
            )
            for resource in Resource
        }
        edges = self._parts_to_query(Signal.CONNECTIONS, self._connections.missing(wanted.last), wanted.last)
        context = _QueryContext(
            wanted.last,
            Attributions(self._source, snapshot),
            _Meter(progress, sum(map(len, chain(*usage.values(), edges)))),
        )
        states = await asyncio.gather(
            *(self._collect_usage(resource, usage[resource], context) for resource in Resource),
            self._collect_edges(edges, context),
        )
        context.meter.finish()
        # A signal without a query in this cycle keeps its state.
        self._states |= {state.signal: state for state in states if state}
        self._update_past_owner_source(context.attributions.owner_source)
        collected = context.collected
        collected.states = [self._degraded_if_pressure_unknown(state) for state in self._states.values()]
        collected.unread_past = self._unread_past(wanted)
        collected.past_owner_source = self._past_owner_source
        collected.unknown_edges = self._unknown_edges
        return collected

    def _parts_to_query(self, signal: Signal, missing: list[StepRange], newest_step: int) -> list[StepRange]:
        """The missing steps; if there are none, the newest step if the signal is failing or has no state."""
        state = self._states.get(signal)
        if not missing and (state is None or state.health is Health.FAILING):
            return [StepRange(newest_step, newest_step)]
        return merge_adjacent(missing)

    def _unread_past(self, wanted: StepRange) -> set[ProfileKind]:
        """The kinds of profiles with a past that is still to be read and was not given up."""
        missing = {Signal.of(resource) for resource in Resource if self._history.missing(resource, wanted)}
        if self._connections.missing(wanted.last):
            missing.add(Signal.CONNECTIONS)
        for signal, state in self._states.items():
            if state.reason == PAST_UNREAD:
                self._unread_since.setdefault(signal, wanted.last)
            elif state.health is not Health.FAILING:  # all queries of the last cycle succeeded
                self._unread_since.pop(signal, None)
        given_up = {
            signal for signal, since in self._unread_since.items() if wanted.last - since >= _PATIENCE_STEPS
        }
        return {signal.profile_kind for signal in missing - given_up}

    def _degraded_if_pressure_unknown(self, state: SignalState) -> SignalState:
        """The state; `Degraded` instead of `Ok` if the last query for pressure failed."""
        return self._pressure_unknown.get(state.signal, state) if state.health is Health.OK else state

    def _update_past_owner_source(self, owner_source: str) -> None:
        if owner_source and owner_source != self._past_owner_source:
            log.info("past_pods_attributed", by=owner_source)
            self._past_owner_source = owner_source

    async def _collect_usage(
        self, resource: Resource, parts: list[StepRange], context: _QueryContext
    ) -> SignalState | None:
        async def query(part: StepRange, results: SignalResults) -> None:
            async for days in self._source.container_samples(resource, part):
                await self._fold_usage(days, context, results)

        results = await _query_parts(parts, query, context.newest_step)
        await self._collect_pressure(resource, context)
        return usage_state(resource, results) if parts else None

    async def _collect_edges(self, parts: list[StepRange], context: _QueryContext) -> SignalState | None:
        async def query(part: StepRange, results: SignalResults) -> None:
            async for samples in self._source.connection_samples(part):
                await self._fold_edges(samples, context, results)

        results = await _query_parts(parts, query, context.newest_step)
        return connection_state(results, mesh_seen=self._mesh_seen) if parts else None

    async def _fold_usage(
        self, days: list[ContainerSamples], context: _QueryContext, results: SignalResults
    ) -> None:
        """Fold one query result, its newest day first."""
        steps = StepRange(days[-1].steps.first, days[0].steps.last)
        for samples in days:
            results.unusable += samples.unusable
            results.series_counts.append(len(samples.containers))
            context.meter.advance(len(samples.steps))
            # While all newer steps are empty, an empty step may only be late: query it again.
            if not results.has_samples:
                continue
            attribution = await context.attributions.for_result(samples.containers, steps)
            async with self._folding:
                folded = await asyncio.to_thread(self._history.fold, samples, attribution)
            results.folded = True
            context.collected.samples += folded.samples
            context.collected.unattributed_namespaces |= {
                namespace for namespace, _ in folded.unattributed_pods
            }

    async def _collect_pressure(self, resource: Resource, context: _QueryContext) -> None:
        """Query pressure on the steps with known usage; a failure does not affect usage."""
        missing = self._history.missing_pressure(resource, context.newest_step)
        if not missing:
            return
        try:
            for steps in missing:
                async for samples in self._source.pressure_samples(PRESSURE_OF[resource], steps):
                    attribution = await context.attributions.for_result(samples.containers, samples.steps)
                    async with self._folding:
                        await asyncio.to_thread(self._history.fold_pressure, samples, attribution)
        except SourceError as error:
            self._pressure_unknown[Signal.of(resource)] = pressure_unknown_state(resource, error)
            return
        self._pressure_unknown.pop(Signal.of(resource), None)

    async def _fold_edges(
        self, samples: ConnectionSamples, context: _QueryContext, results: SignalResults
    ) -> None:
        results.unusable += samples.unusable
        results.series_counts.append(len(samples.sources))
        context.meter.advance(len(samples.steps))
        self._mesh_seen = self._mesh_seen or bool(samples.sources or self._connections.sources)
        if results.has_samples:
            resolved = await asyncio.to_thread(resolve, samples, context.attributions.current)
            is_newest_result = len(results.series_counts) == 1
            if is_newest_result:
                self._unknown_edges = resolved.unknown_edges
            await asyncio.to_thread(self._connections.fold, resolved)
            results.folded = True


QueryPart = Callable[[StepRange, SignalResults], Awaitable[None]]


async def _query_parts(parts: list[StepRange], query: QueryPart, newest_step: int) -> SignalResults:
    """Query every part, newest first, until the first failure."""
    results = SignalResults(only_older_steps=bool(parts) and parts[0].last < newest_step)
    try:
        for part in parts:
            await query(part, results)
    except SourceError as error:
        results.error = error
    results.off = bool(parts) and not results.series_counts and results.error is None
    return results

"""Collection of missing samples: queries of a cycle, folds of their results, and the state of each signal."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import PRESSURE_OF, Identity, ProfileKind, Resource
from app.domain.workloads import Connection, Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import (
    STEP_SECONDS,
    STEPS_PER_DAY,
    ConnectionSamples,
    ContainerSamples,
    DroppedEdges,
    StepRange,
    day_of,
)
from app.history.usage_history import UsageHistory
from app.history.usage_limit import drop_over_share
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.attributions import Attributions
from app.profiler.cycle.edge_limit import limit_edges
from app.profiler.cycle.need_limits import AbsurdNeed, NeedLimits, split_absurd_usage
from app.profiler.cycle.question import PATIENCE_STEPS, PlannedQuery, Question
from app.profiler.cycle.resolution import resolve
from app.profiler.cycle.signals import (
    PAST_UNREAD,
    Health,
    Signal,
    SignalResults,
    SignalState,
    connection_state,
    pressure_unknown_state,
    state_without,
    usage_state,
)
from app.profiler.ports import UsageSource

# Samples of the newest minute may not have reached every Prometheus yet.
GRACE_SECONDS = 60
_RESOURCES = {Signal.of(resource): resource for resource in Resource}
Progress = Callable[[int, int], None]
log = structlog.get_logger(__name__)


def newest_complete_step(now_seconds: float) -> int:
    """The last step with samples that the source should have by now."""
    return int((now_seconds - GRACE_SECONDS) // STEP_SECONDS)


def wanted_steps(newest_step: int, history_days: int) -> StepRange:
    """Today and the *history_days* before it: whole days, so that every leader reads the same past."""
    return StepRange((day_of(newest_step) - history_days) * STEPS_PER_DAY + 1, newest_step)


@dataclass(frozen=True, slots=True)
class CollectionLimits:
    """The edges and the usage in memory, and the largest usage that is trusted."""

    max_edges: int = 30_000
    needs: NeedLimits = field(default_factory=NeedLimits)
    max_history_bytes: int = 512 * 2**20


@dataclass(slots=True)
class CollectedSamples:
    """The outcome of one cycle's queries: the state of each signal and what could not be attributed."""

    states: list[SignalState] = field(default_factory=list)
    samples: int = 0
    unread_past: set[ProfileKind] = field(default_factory=set)  # kinds of profiles that wait for their past
    unattributed_namespaces: set[str] = field(default_factory=set)
    past_owner_source: str = ""
    dropped_edges: DroppedEdges = field(default_factory=dict)  # in the result for the newest steps
    absurd_needs: list[AbsurdNeed] = field(default_factory=list)
    forgotten_workloads: set[Workload] = field(default_factory=set)  # since the memory for usage was full
    container_jobs: Collection[str] = ()
    failed: dict[Signal, dict[str, str]] = field(default_factory=dict)  # the reason for each namespace
    frozen: set[tuple[ProfileKind, str]] = field(
        default_factory=set
    )  # of namespaces that wait for their past

    def is_answered(self, identity: Identity) -> bool:
        """True if the query for this profile's samples succeeded."""
        failed = next(
            (names for signal, names in self.failed.items() if signal.profile_kind is identity.kind), {}
        )
        return identity.kind in self.answered_kinds and _namespace_of(identity) not in failed

    def is_frozen(self, identity: Identity) -> bool:
        """True if a stored profile stays as it is, since its past was not read again yet."""
        return (identity.kind, _namespace_of(identity)) in self.frozen

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


def _namespace_of(identity: Identity) -> str:
    """The namespace whose query has the profile's samples: of a connection, that of its source."""
    subject = identity.subject
    return subject.source.namespace if isinstance(subject, Connection) else subject.namespace


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
    unlisted: Mapping[str, str]
    collected: CollectedSamples = field(default_factory=CollectedSamples)
    usage_collected: asyncio.Event = field(default_factory=asyncio.Event)


class SampleCollector:
    """Queries the missing steps and folds complete results, never a part of one."""

    def __init__(
        self,
        source: UsageSource,
        history: UsageHistory,
        connections: ConnectionHistory,
        limits: CollectionLimits,
    ) -> None:
        self._source, self._limits = source, limits
        self._history = history
        self._connections = connections
        self._folding = asyncio.Lock()  # both resources share one numbering of series
        self._mesh_seen = False
        self._states: dict[Signal, SignalState] = {}
        self._questions = {signal: Question() for signal in Signal}
        self._pressure_questions = {resource: Question() for resource in Resource}
        self._pressure_unknown: dict[Signal, SignalState] = {}
        self._past_owner_source = ""
        self._dropped_edges: DroppedEdges = {}
        self._unread_since: dict[Signal, int] = {}  # the step in which a signal's past became unreadable

    async def collect(
        self,
        wanted: StepRange,
        snapshot: ClusterSnapshot,
        progress: Progress,
        unlisted: Mapping[str, str] | None = None,
    ) -> CollectedSamples:
        """Bring the history up to `wanted.last`, except for the *unlisted* namespaces.

        These, with a reason each, are those whose Pods can't be listed: their usage has no known workload.
        """
        unlisted = unlisted or {}
        planned = {
            signal: question.plan(partial(self._missing, signal, wanted), unlisted, wanted.last)
            for signal, question in self._questions.items()
        }
        for signal, (most, _) in planned.items():
            self._add_newest_if_needed(signal, most, wanted.last)
        context = _QueryContext(
            wanted.last,
            Attributions(self._source, snapshot),
            _Meter(
                progress,
                sum(len(part) for queries in planned.values() for query in queries for part in query.parts),
            ),
            unlisted,
        )
        usage_states, edge_state = await asyncio.gather(
            self._collect_all_usage(planned, context),
            self._collect_edges(planned[Signal.CONNECTIONS], context),
        )
        context.meter.finish()
        for signal, question in self._questions.items():
            question.forget_complete(partial(self._missing, signal, wanted))
        # A signal without a query in this cycle keeps its state.
        self._states |= {state.signal: state for state in (*usage_states, edge_state) if state}
        self._update_past_owner_source(context.attributions.owner_source)
        collected = context.collected
        collected.failed = {signal: question.failed for signal, question in self._questions.items()}
        collected.states = [
            state_without(self._degraded_if_pressure_unknown(state), collected.failed[state.signal])
            for state in self._states.values()
        ]
        collected.unread_past = self._unread_past(wanted)
        collected.frozen = {
            (signal.profile_kind, namespace)
            for signal, question in self._questions.items()
            for namespace in question.failed.keys() - question.given_up(wanted.last)
        }
        collected.past_owner_source = self._past_owner_source
        collected.dropped_edges = self._dropped_edges
        collected.container_jobs = sorted(self._source.container_jobs)
        return collected

    def _missing(self, signal: Signal, wanted: StepRange, namespaces: NamespaceSelection) -> list[StepRange]:
        """The steps of *wanted* that were not read yet for *namespaces*, newest first."""
        if signal is Signal.CONNECTIONS:
            return self._connections.missing(wanted.last, namespaces)
        return self._history.missing(_RESOURCES[signal], wanted, namespaces)

    def _add_newest_if_needed(self, signal: Signal, query: PlannedQuery, newest_step: int) -> None:
        """Plan to query the newest step again if none is missing and the signal fails or has no state."""
        state = self._states.get(signal)
        if not query.parts and (state is None or state.health is Health.FAILING):
            query.parts.append(StepRange(newest_step, newest_step))

    def _unread_past(self, wanted: StepRange) -> set[ProfileKind]:
        """The kinds of profiles with a past that is still to be read and was not given up."""
        missing = {
            signal
            for signal, question in self._questions.items()
            if self._missing(signal, wanted, question.others)
        }
        for signal, state in self._states.items():
            if state.reason == PAST_UNREAD:
                self._unread_since.setdefault(signal, wanted.last)
            elif state.health is not Health.FAILING:  # all queries of the last cycle succeeded
                self._unread_since.pop(signal, None)
        given_up = {
            signal for signal, since in self._unread_since.items() if wanted.last - since >= PATIENCE_STEPS
        }
        return {signal.profile_kind for signal in missing - given_up}

    def _degraded_if_pressure_unknown(self, state: SignalState) -> SignalState:
        """The state; `Degraded` instead of `Ok` if the last query for pressure failed."""
        return self._pressure_unknown.get(state.signal, state) if state.health is Health.OK else state

    def _update_past_owner_source(self, owner_source: str) -> None:
        if owner_source and owner_source != self._past_owner_source:
            log.info("past_pods_attributed", by=owner_source)
            self._past_owner_source = owner_source

    async def _collect_all_usage(
        self, planned: Mapping[Signal, tuple[PlannedQuery, PlannedQuery]], context: _QueryContext
    ) -> list[SignalState | None]:
        try:
            return await asyncio.gather(
                *(
                    self._collect_usage(resource, planned[Signal.of(resource)], context)
                    for resource in Resource
                )
            )
        finally:
            context.usage_collected.set()

    async def _collect_usage(
        self, resource: Resource, planned: tuple[PlannedQuery, PlannedQuery], context: _QueryContext
    ) -> SignalState | None:
        async def query(part: StepRange, namespaces: NamespaceSelection, results: SignalResults) -> None:
            async for days in self._source.container_samples(resource, part, namespaces):
                await self._fold_usage(days, part, context, results)

        question = self._questions[Signal.of(resource)]
        results = await question.ask(query, *planned, context.newest_step)
        await self._collect_pressure(resource, context)
        return usage_state(resource, results) if planned[0].parts else None

    async def _collect_edges(
        self, planned: tuple[PlannedQuery, PlannedQuery], context: _QueryContext
    ) -> SignalState | None:
        async def query(part: StepRange, namespaces: NamespaceSelection, results: SignalResults) -> None:
            async for samples in self._source.connection_samples(part, namespaces):
                await context.usage_collected.wait()  # it shows the workloads that no longer exist
                await self._fold_edges(samples, part, context, results)

        question = self._questions[Signal.CONNECTIONS]
        results = await question.ask(query, *planned, context.newest_step)
        return connection_state(results, mesh_seen=self._mesh_seen) if planned[0].parts else None

    async def _fold_usage(
        self, days: list[ContainerSamples], part: StepRange, context: _QueryContext, results: SignalResults
    ) -> None:
        """Fold one query result, its newest day first."""
        steps = StepRange(days[-1].steps.first, days[0].steps.last)
        results.note(steps, part, days[0].failed)
        for samples in days:
            results.unusable += samples.unusable
            results.series_counts.append(len(samples.containers))
            context.meter.advance(len(samples.steps))
            # While all newer steps are empty, an empty step may only be late: query it again.
            if not results.has_samples:
                continue
            attribution = await context.attributions.for_result(samples.containers, steps)
            if unknown := attribution.unknown_namespaces(samples.pods):
                results.failed |= unknown
            known = samples.without(unknown) if unknown else samples
            usable, absurd = split_absurd_usage(known, self._limits.needs, attribution)
            context.collected.absurd_needs += absurd
            async with self._folding:
                folded = await asyncio.to_thread(self._history.fold, usable, attribution)
                context.collected.forgotten_workloads |= await asyncio.to_thread(
                    drop_over_share, self._history.state, self._limits.max_history_bytes
                )
            results.folded = True
            context.collected.samples += folded.samples
            context.collected.unattributed_namespaces |= {
                namespace for namespace, _ in folded.unattributed_pods
            }

    async def _collect_pressure(self, resource: Resource, context: _QueryContext) -> None:
        """Query pressure on the steps with known usage; a failure does not affect usage."""

        async def query(part: StepRange, namespaces: NamespaceSelection, results: SignalResults) -> None:
            async for samples in self._source.pressure_samples(PRESSURE_OF[resource], part, namespaces):
                results.note(samples.steps, part, samples.failed)
                attribution = await context.attributions.for_result(samples.containers, samples.steps)
                async with self._folding:
                    await asyncio.to_thread(self._history.fold_pressure, samples, attribution)

        question = self._pressure_questions[resource]
        find_missing = partial(self._history.missing_pressure, resource, context.newest_step)
        planned = question.plan(find_missing, context.unlisted, context.newest_step)
        if not any(query.parts for query in planned):
            return
        results = await question.ask(query, *planned, context.newest_step)
        question.forget_complete(find_missing)
        failed = question.failed.keys() - context.unlisted.keys()
        if results.error or failed:
            reason = str(results.error) if results.error else f"{min(failed)}: {question.failed[min(failed)]}"
            self._pressure_unknown[Signal.of(resource)] = pressure_unknown_state(resource, reason)
        else:
            self._pressure_unknown.pop(Signal.of(resource), None)

    async def _fold_edges(
        self, samples: ConnectionSamples, part: StepRange, context: _QueryContext, results: SignalResults
    ) -> None:
        results.note(samples.steps, part, samples.failed)
        results.unanswered_mesh = samples.unanswered_mesh
        results.unseen = results.unseen or samples.unseen
        results.unusable += samples.unusable
        results.series_counts.append(len(samples.sources))
        self._mesh_seen = self._mesh_seen or bool(samples.sources or self._connections.sources)
        if results.has_samples:
            attribution = context.attributions.for_edges(self._history.workloads)
            resolved = await asyncio.to_thread(resolve, samples, attribution)
            is_newest_result = len(results.series_counts) == 1 and samples.answered.included is None
            limited = await asyncio.to_thread(self._fold_limited, resolved)
            if is_newest_result:
                self._dropped_edges = limited.dropped
            results.folded = True

    def _fold_limited(self, samples: ConnectionSamples) -> ConnectionSamples:
        """Fold the edges that are within the limit; returns their samples."""
        limited = limit_edges(samples, self._connections, self._limits.max_edges)
        if limited is None:
            self._connections.fold(samples)
            return samples
        self._connections.keep(limited.kept_edges, limited.kept_sources)
        self._connections.fold(limited.samples)
        return limited.samples

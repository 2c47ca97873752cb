"""Collection of one resource: usage of containers, and their throttling or OOM kills."""

import asyncio
from functools import partial

import numpy as np

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.open_steps import Settlement
from app.history.samples import ContainerSamples, PressureSamples, StepRange
from app.history.usage_history import FoldResult, UsageHistory
from app.history.usage_limit import drop_over_share
from app.profiler.attribution import Attribution
from app.profiler.cycle.arrival import Arrival
from app.profiler.cycle.need_limits import NeedLimits, split_absurd_usage
from app.profiler.cycle.query_context import QueryContext
from app.profiler.cycle.question import PlannedQueries, Question
from app.profiler.cycle.signals import (
    Health,
    Signal,
    SignalResults,
    SignalState,
    pressure_unknown_state,
    usage_state,
)
from app.profiler.ports import UsageSource


class SerialFolding:
    """Folds one query result at a time, in a thread: both resources share one numbering of series.

    The history takes at most *max_bytes* of memory.
    """

    def __init__(self, history: UsageHistory, max_bytes: int) -> None:
        self.history, self._max_bytes, self._lock = history, max_bytes, asyncio.Lock()

    async def fold(
        self, samples: ContainerSamples, attribution: Attribution, settlement: Settlement
    ) -> tuple[FoldResult, set[Workload]]:
        """Fold usage; returns the workloads that were dropped too, since the memory was full."""
        async with self._lock:
            folded = await asyncio.to_thread(self.history.fold, samples, attribution, settlement)
            return folded, await asyncio.to_thread(drop_over_share, self.history.state, self._max_bytes)

    async def fold_pressure(
        self, samples: PressureSamples, attribution: Attribution, newest_step: int
    ) -> None:
        """Fold pressure."""
        async with self._lock:
            await asyncio.to_thread(self.history.fold_pressure, samples, attribution, newest_step)


class UsageCollector:
    """Queries the missing steps of one resource and folds complete results, never a part of one."""

    def __init__(
        self,
        resource: Resource,
        source: UsageSource,
        folding: SerialFolding,
        limits: NeedLimits,
        arrival: Arrival,
    ) -> None:
        self.signal, self.question, self.arrival = Signal.of(resource), Question(), arrival
        self._resource, self._source, self._limits = resource, source, limits
        self._folding, self._history = folding, folding.history
        self._pressure_question = Question()
        self._pressure_unknown: SignalState | None = None

    def missing(self, wanted: StepRange, namespaces: NamespaceSelection) -> list[StepRange]:
        """The steps of *wanted* to read for *namespaces*, newest first."""
        return self._history.missing(self._resource, wanted, namespaces)

    def degraded_if_pressure_unknown(self, state: SignalState) -> SignalState:
        """The state; `Degraded` instead of `Ok` if the last query for pressure failed."""
        return self._pressure_unknown or state if state.health is Health.OK else state

    async def collect(self, planned: PlannedQueries, context: QueryContext) -> SignalState | None:
        """Carry out the *planned* queries; the new state of the signal, None if there was no query."""
        results = await self.question.ask(partial(self._query, context), *planned, context.newest_step)
        self.arrival.finish(context.newest_step)
        await self._collect_pressure(context)
        return usage_state(self._resource, results) if planned[0].parts else None

    async def _query(
        self, context: QueryContext, part: StepRange, namespaces: NamespaceSelection, results: SignalResults
    ) -> None:
        async for days in self._source.container_samples(self._resource, part, namespaces):
            steps = StepRange(days[-1].steps.first, days[0].steps.last)
            results.note(steps, part, days[0].failed)
            results.unusable += sum(samples.unusable for samples in days)
            results.series_counts.append(max(len(samples.containers) for samples in days))
            for samples in days:
                await self._fold(samples, steps, context, results)
            results.is_stalled = self.arrival.is_stalled(context.newest_step)

    async def _fold(
        self, samples: ContainerSamples, steps: StepRange, context: QueryContext, results: SignalResults
    ) -> None:
        """Fold the samples of one day, a part of a result on *steps*, which has the newest day first."""
        context.meter.advance(len(samples.steps))
        await asyncio.to_thread(self._note, samples, context.newest_step)
        settlement = self.arrival.settlement(context.newest_step)
        # While all newer steps are empty, an empty step may only be late: query it again.
        if settlement is None:
            return
        attribution = await context.attributions.for_result(samples.containers, steps)
        if unknown := attribution.unknown_namespaces(samples.pods):
            results.failed |= unknown
        known = samples.without(unknown) if unknown else samples
        usable, absurd = split_absurd_usage(known, self._limits, attribution)
        context.collected.absurd_needs += absurd
        folded, dropped = await self._folding.fold(usable, attribution, settlement)
        context.collected.forgotten_workloads |= dropped
        results.folded = True
        context.collected.samples += folded.samples
        context.collected.unattributed_namespaces |= {namespace for namespace, _ in folded.unattributed_pods}

    def _note(self, samples: ContainerSamples, newest_step: int) -> None:
        namespaces = [container.namespace for container in samples.containers]
        self.arrival.note(newest_step, samples.steps, namespaces, ~np.isnan(samples.values), samples.answered)

    async def _collect_pressure(self, context: QueryContext) -> None:
        """Query pressure on the steps with known usage; a failure does not affect usage."""
        question, newest_step = self._pressure_question, context.newest_step

        async def query(part: StepRange, namespaces: NamespaceSelection, results: SignalResults) -> None:
            async for kinds in self._source.pressure_samples(self._resource, part, namespaces):
                results.note(kinds[0].steps, part, kinds[0].failed)
                for samples in kinds:
                    attribution = await context.attributions.for_result(samples.containers, samples.steps)
                    await self._folding.fold_pressure(samples, attribution, newest_step)

        find_missing = partial(self._history.missing_pressure, self._resource, newest_step)
        planned = question.plan(find_missing, context.unlisted, newest_step)
        if not any(query.parts for query in planned):
            return
        results = await question.ask(query, *planned, newest_step)
        question.forget_complete(find_missing)
        failed = question.failed.keys() - context.unlisted.keys()
        self._pressure_unknown = None
        if results.error or failed:
            reason = str(results.error) if results.error else f"{min(failed)}: {question.failed[min(failed)]}"
            self._pressure_unknown = pressure_unknown_state(self._resource, reason)

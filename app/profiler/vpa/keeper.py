"""The keeper of the profiler's own VerticalPodAutoscalers: one per workload whose labels ask for it.

All workloads are compared once per period, and only what differs is written. What is not known changes
nothing: a namespace without a list, a workload of a kind whose watch fails, a label with a wrong value.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial

import structlog

from app.domain.annotations import Labels
from app.domain.fair_shares import in_turn
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import NAMESPACE, Workload
from app.periodic import wait_synced
from app.profiler.fault_announcer import FaultAnnouncer
from app.profiler.fault_events import MAX_LENGTH
from app.profiler.ports import AutoscalerWriter
from app.profiler.registries.namespace_metadata import NamespaceMetadataRegistry
from app.profiler.registries.vertical_autoscalers import AutoscalerRegistry
from app.profiler.registries.workloads import WorkloadRegistry
from app.profiler.vpa.applied_objects import AppliedObjects, key_in
from app.profiler.vpa.named_faults import AutoscalerFault, fault_of_object, named_faults
from app.profiler.vpa.paced_writes import PacedWrites
from app.vpa.keeping import NOTHING, ObjectsByTarget, Steps, by_target, decide, is_own
from app.vpa.labels import UNDECIDED, LabelReading, label_faults, read_labels
from app.vpa.ownership import CRD, KEPT_KINDS

log = structlog.get_logger(__name__)
_COMPARED_PER_BATCH = 500
_STEPS_PER_PASS = 100  # then labels are looked at again: they may have changed
_read_labels = lru_cache(maxsize=10_000)(read_labels)


@dataclass(eq=False)
class AutoscalerKeeper:
    """The keeper of one leader's term, for objects that name *recommender*; `run` ends only by cancellation.

    *in_scope* is True for a profiled namespace with known objects, *is_known* for a workload whose object is
    listed if it exists, and *is_served* while the API server knows VerticalPodAutoscalers.
    """

    recommender: str
    autoscalers: AutoscalerRegistry
    workloads: WorkloadRegistry
    namespaces: NamespaceMetadataRegistry
    writer: AutoscalerWriter
    label_events: FaultAnnouncer
    _: KW_ONLY
    writes: PacedWrites
    period_seconds: float
    in_scope: Callable[[str], bool] = lambda _namespace: True
    is_known: Callable[[Workload], bool] = lambda _workload: True
    is_served: Callable[[], bool] = lambda: True
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _settled: dict[Workload, tuple[object, ...]] = field(default_factory=dict, init=False)
    _applied: AppliedObjects = field(default_factory=AppliedObjects, init=False)
    _hindered: Sequence[AutoscalerFault] = field(default=(), init=False)
    _wrong_labels: Sequence[AutoscalerFault] = field(default=(), init=False)

    def faults(self) -> Mapping[str, str]:
        """The reason of each object that is not written, and what is wrong with labels."""
        refused = (fault_of_object(name, reason) for name, reason in self.writes.reasons.items())
        return named_faults([*refused, *self._hindered, *self._wrong_labels])

    async def run(self, listed: Callable[[], bool]) -> None:
        """Write until cancelled, once namespaces, workloads and objects are *listed*."""
        await wait_synced(listed)
        while True:
            if await self.run_once() < _STEPS_PER_PASS:
                await asyncio.sleep(self.period_seconds)

    async def run_once(self) -> int:
        """Apply and delete what labels ask for; returns the number of writes that succeeded."""
        now, labels = self.clock(), self.namespaces.vpa_labels()
        await self._name_wrong_labels(labels, now)
        found = await self._steps(labels, by_target(self.autoscalers), now)
        is_served = self.is_served()
        self._hindered = list(_hindrances(found, is_served=is_served))
        self.writes.keep_only({name for _, steps in found for name in _names(steps)} if is_served else ())
        if not is_served:
            return 0
        due = [item for item in found if not self._is_paused(item[1], now)]
        written = 0
        for _, steps in in_turn(due, lambda item: item[0].namespace)[:_STEPS_PER_PASS]:
            written += await self._carry_out(steps)
        if written:
            log.info("vpas_written", written=written)
        return written

    async def _steps(
        self, labels: Mapping[str, Labels], objects: ObjectsByTarget, now: datetime
    ) -> list[tuple[Workload, Steps]]:
        """The steps of each workload with any, and those for objects of workloads that are gone."""
        found: list[tuple[Workload, Steps]] = []
        self._applied.look_at(objects, now)
        records = [record for record in self.workloads.records() if record.workload.kind in KEPT_KINDS]
        present = {record.workload for record in records}
        self._settled = {workload: basis for workload, basis in self._settled.items() if workload in present}
        for start in range(0, len(records), _COMPARED_PER_BATCH):
            found += (
                (record.workload, steps)
                for record in records[start : start + _COMPARED_PER_BATCH]
                if (steps := self._steps_of(record, labels, objects, now))
            )
            await asyncio.sleep(0)
        orphans = (
            autoscaler
            for autoscaler in objects.by_key.values()
            if is_own(autoscaler)
            and self.is_known(autoscaler.target)
            and self.workloads.record(autoscaler.target) is None
        )
        return [*found, *((orphan.target, Steps(delete=(orphan,))) for orphan in orphans)]

    def _steps_of(
        self, record: WorkloadRecord, labels: Mapping[str, Labels], objects: ObjectsByTarget, now: datetime
    ) -> Steps | None:
        """The steps of one workload; None if there are none, or if a write of it waits."""
        workload, reading = record.workload, self._reading(record, labels)
        basis = (record, reading, *objects.of_target.get(workload, ()))
        if _are_same(basis, self._settled.get(workload, ())):
            return None
        steps = decide(workload, record.uid, reading, objects, self.recommender)
        if steps is NOTHING:
            self._settled[workload] = basis
            return None
        self._settled.pop(workload, None)
        return None if steps.apply and self._applied.is_settling(steps.apply, objects, now) else steps

    def _reading(self, record: WorkloadRecord, labels: Mapping[str, Labels]) -> LabelReading:
        of_namespace = labels.get(record.workload.namespace)
        if of_namespace is None:
            return UNDECIDED
        reading = _read_labels(record.vpa_labels, of_namespace)
        return UNDECIDED if reading.wanted and not self.in_scope(record.workload.namespace) else reading

    def _is_paused(self, steps: Steps, now: datetime) -> bool:
        return any(self.writes.is_paused(name, now) for name in _names(steps))

    async def _carry_out(self, steps: Steps) -> int:
        """The number of writes that succeeded."""
        written = 0
        for autoscaler in steps.delete:
            delete = partial(self.writer.delete, autoscaler)
            written += await self.writes.send(str(autoscaler), delete, self.clock())
        if steps.apply:
            name, apply = "/".join(key_in(steps.apply)), partial(self.writer.apply, steps.apply)
            if await self.writes.send(name, apply, self.clock()):
                self._applied.note(steps.apply, self.clock())
                written += 1
        return written

    async def _name_wrong_labels(self, labels: Mapping[str, Labels], now: datetime) -> None:
        """Emit Events on namespaces and workloads with wrong labels."""
        faults: dict[Workload, str] = {}
        uids: dict[Workload, str] = {}
        for namespace, own in labels.items():
            if own and self.in_scope(namespace) and (text := _faults_in(own, "the namespace")):
                faults[Workload(namespace, namespace, NAMESPACE)] = text
        for record in self.workloads.records():
            text = _faults_in(record.vpa_labels, "the Pod template") if record.vpa_labels else ""
            if text and record.workload.kind in KEPT_KINDS and self.in_scope(record.workload.namespace):
                faults[record.workload], uids[record.workload] = text, record.uid
        self._wrong_labels = [
            AutoscalerFault(subject.namespace, f"labels of {_named(subject)}", text)
            for subject, text in faults.items()
        ]
        await self.label_events.announce(faults, uids, now)


def _are_same(basis: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """True if both have the same objects: a changed one is another."""
    return len(basis) == len(other) and all(mine is its for mine, its in zip(basis, other, strict=True))


@lru_cache(maxsize=10_000)
def _faults_in(labels: Labels, place: str) -> str:
    return "; ".join(label_faults(labels, place))[:MAX_LENGTH]


def _named(workload: Workload) -> str:
    if workload.kind == NAMESPACE:
        return f"namespace {workload.name}"
    return workload.full_name


def _hindrances(found: Iterable[tuple[Workload, Steps]], *, is_served: bool) -> Iterator[AutoscalerFault]:
    """What keeps objects from being applied."""
    for workload, steps in found:
        if steps.fault:
            yield AutoscalerFault(
                workload.namespace, f"VerticalPodAutoscaler for {_named(workload)}", steps.fault
            )
    if not is_served and any(steps.apply for _, steps in found):
        yield AutoscalerFault(
            "", "VerticalPodAutoscalers", f"labels ask for them, and the cluster has no {CRD}"
        )


def _names(steps: Steps) -> Iterator[str]:
    yield from map(str, steps.delete)
    if steps.apply:
        yield "/".join(key_in(steps.apply))

"""The workloads that are there, as their watches tell, and for a while the Jobs that were: as with Pods."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from app.domain.container_roles import NO_INIT_CONTAINERS
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload, run_group
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.registries.pods import REMEMBERED_SECONDS, PodName

# Where more Jobs than these are deleted in that time, the first of them are forgotten earlier.
MOST_REMEMBERED = 50_000


def directory_of(pods: Mapping[PodName, Workload], records: Iterable[WorkloadRecord]) -> ClusterSnapshot:
    """Who runs, from the owner of each Pod and the objects of workloads."""
    records = list(records)
    return ClusterSnapshot(
        pods,
        workloads=tuple(record.workload for record in records if record.workload.is_long_running),
        cron_jobs={record.workload: record.cron_job for record in records if record.cron_job},
        uids={record.workload: record.uid for record in records},
        init_containers={
            run_group(record.cron_job or record.workload): record.init_containers
            for record in records
            if record.init_containers != NO_INIT_CONTAINERS
        },
    )


@dataclass(frozen=True, slots=True)
class _Deleted:
    cron_job: Workload
    left_at: float


class WorkloadRegistry:
    """Workloads by their identity; *clock* tells monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._present: dict[Workload, WorkloadRecord] = {}
        self._deleted: dict[Workload, _Deleted] = {}  # Jobs that a CronJob made, in the order of leaving

    def directory(self, pods: Mapping[PodName, Workload]) -> ClusterSnapshot:
        """Who runs, and the CronJobs of Jobs that left lately: their last samples come late."""
        self._forget()
        present = directory_of(pods, self._present.values())
        deleted = {job: left.cron_job for job, left in self._deleted.items()}
        return replace(present, cron_jobs={**deleted, **present.cron_jobs})

    def put(self, record: WorkloadRecord) -> None:
        """An object appeared or changed."""
        self._present[record.workload] = record
        self._deleted.pop(record.workload, None)

    def remove(self, record: WorkloadRecord) -> None:
        """An object is gone."""
        self._present.pop(record.workload, None)
        self._deleted.pop(record.workload, None)
        if record.cron_job:
            self._deleted[record.workload] = _Deleted(record.cron_job, self._clock())
        self._forget()

    def replace(self, records: Iterable[WorkloadRecord], kind: str, namespace: str | None) -> None:
        """Take the whole list of one kind, of one namespace or of all."""
        listed = {record.workload: record for record in records}
        for record in list(self._present.values()):
            workload = record.workload
            if workload.kind == kind and namespace in {None, workload.namespace} and workload not in listed:
                self.remove(record)
        for record in listed.values():
            self.put(record)

    def _forget(self) -> None:
        limit = self._clock() - REMEMBERED_SECONDS
        while self._deleted:
            job, oldest = next(iter(self._deleted.items()))
            if oldest.left_at > limit and len(self._deleted) <= MOST_REMEMBERED:
                return
            del self._deleted[job]


class WorkloadSink:
    """The registry as the receiver of one watch: of one kind, in one namespace or in all."""

    def __init__(self, registry: WorkloadRegistry, kind: str, namespace: str | None) -> None:
        self._registry, self._kind, self._namespace = registry, kind, namespace

    def replace(self, records: Iterable[WorkloadRecord], /) -> None:
        """Take the whole list."""
        self._registry.replace(records, self._kind, self._namespace)

    def upsert(self, record: WorkloadRecord, /) -> None:
        """Take an object that appeared or changed."""
        self._registry.put(record)

    def delete(self, record: WorkloadRecord, /) -> None:
        """Take an object that is gone."""
        self._registry.remove(record)

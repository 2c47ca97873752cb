"""Registry of the workload objects and, for a while, of deleted Jobs: their last samples arrive late."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from app.domain.container_roles import UNKNOWN_TEMPLATE, TemplateContainers
from app.domain.run_names import run_groups
from app.domain.template_amounts import TemplateAmounts
from app.domain.workload_policy import WorkloadPolicy
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB, Workload, run_group
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.registries.pods import REMEMBERED_SECONDS, PodName

# If more Jobs than this are deleted within that time, the oldest are forgotten earlier.
MAX_REMEMBERED = 50_000


def build_snapshot(
    pods: Mapping[PodName, Workload],
    records: Iterable[WorkloadRecord],
    running: Iterable[Workload] | None = None,
) -> ClusterSnapshot:
    """The snapshot of the owner of each Pod and the objects of workloads.

    *running* are the workloads with a Pod that runs; without them, all Pods run.
    """
    records = list(records)
    cron_jobs = {record.workload: record.cron_job for record in records if record.cron_job}
    running = set(pods.values() if running is None else running)
    templates, amounts = _templates_and_amounts(records)
    policies = _policies(records)
    return ClusterSnapshot(
        pods,
        workloads=tuple(record.workload for record in records if record.workload.is_long_running),
        cron_jobs=cron_jobs,
        uids={record.workload: record.uid for record in records},
        templates=templates,
        ready_replicas={
            record.workload: record.ready_replicas for record in records if record.ready_replicas
        },
        desired_replicas={
            record.workload: record.desired_replicas
            for record in records
            if record.desired_replicas is not None
        },
        amounts=amounts,
        policies=policies,
        living=frozenset(
            profiled
            for workload in {*running, *(record.workload for record in records)}
            if workload.kind == CRON_JOB or (workload in running and not workload.is_long_running)
            for profiled in _profiled(cron_jobs.get(workload, workload))
        ),
    )


def _templates_and_amounts(
    records: Iterable[WorkloadRecord],
) -> tuple[dict[Workload, TemplateContainers], dict[Workload, TemplateAmounts]]:
    """The containers, and the requests and limits, in the Pod template of each workload.

    Of runs that share a profile, the containers are those of all of them, and the amounts the largest.
    """
    templates: dict[Workload, TemplateContainers] = {}
    amounts: dict[Workload, TemplateAmounts] = {}
    for record in records:
        if record.template == UNKNOWN_TEMPLATE:
            continue
        for profiled in _profiled(record.cron_job or record.workload):
            templates[profiled] = templates.get(profiled, record.template).union(record.template)
            amounts[profiled] = amounts.get(profiled, record.amounts).largest(record.amounts)
    return templates, amounts


def _policies(records: Iterable[WorkloadRecord]) -> dict[Workload, WorkloadPolicy]:
    """The policy on the object of each workload and on its Pod template, also if it says nothing.

    A CronJob's is that of its own object, also for runs that were created before it changed. Of other runs
    that share a profile, it is the policy with the most rules.
    """
    policies: dict[Workload, WorkloadPolicy] = {}
    for record in records:
        for profiled in _profiled(record.cron_job or record.workload):
            policy = policies.setdefault(profiled, record.policy)
            if policy != record.policy:
                policies[profiled] = max(policy, record.policy, key=_order)
    return policies | {
        record.workload: record.policy for record in records if record.workload.kind == CRON_JOB
    }


def _order(policy: WorkloadPolicy) -> tuple[int, list[str], tuple[str, ...]]:
    return len(policy.rules), [*map(repr, policy.rules)], policy.faults


def _profiled(workload: Workload) -> tuple[Workload, ...]:
    """The workloads that may be profiled in place of a run: itself, or groups of the runs of such names."""
    run = run_group(workload)
    return (run, *run_groups(run))


@dataclass(frozen=True, slots=True)
class _DeletedJob:
    cron_job: Workload
    at_seconds: float


class WorkloadRegistry:
    """Workload objects by their identity; *clock* returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._present: dict[Workload, WorkloadRecord] = {}
        self._deleted: dict[Workload, _DeletedJob] = {}  # Jobs that a CronJob created, oldest first

    def snapshot(
        self, pods: Mapping[PodName, Workload], running: Iterable[Workload] | None = None
    ) -> ClusterSnapshot:
        """The snapshot; it includes the CronJobs of recently deleted Jobs: their last samples arrive late."""
        self._forget()
        present = build_snapshot(pods, self._present.values(), running)
        deleted = {workload: job.cron_job for workload, job in self._deleted.items()}
        return replace(present, cron_jobs={**deleted, **present.cron_jobs})

    def owner_of_job(self, job: Workload) -> Workload | None:
        """The CronJob of *job*, or *job* itself if it has none; None if the Job is not known."""
        record = self._present.get(job)
        if record is None:
            deleted = self._deleted.get(job)
            return deleted.cron_job if deleted else None
        return record.cron_job or job

    def record(self, workload: Workload) -> WorkloadRecord | None:
        """The record of the object; None if it is not known."""
        return self._present.get(workload)

    def records(self) -> list[WorkloadRecord]:
        """The records of all objects."""
        return list(self._present.values())

    def put(self, record: WorkloadRecord) -> None:
        """Store an added or modified object."""
        self._present[record.workload] = record
        self._deleted.pop(record.workload, None)

    def remove(self, record: WorkloadRecord) -> None:
        """Remove a deleted object."""
        self._present.pop(record.workload, None)
        self._deleted.pop(record.workload, None)
        if record.cron_job:
            self._deleted[record.workload] = _DeletedJob(record.cron_job, self._clock())
        self._forget()

    def replace(self, records: Iterable[WorkloadRecord], kind: str, namespace: str | None) -> None:
        """Replace all objects of one kind in one namespace; in all namespaces if it is None."""
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
            if oldest.at_seconds > limit and len(self._deleted) <= MAX_REMEMBERED:
                return
            del self._deleted[job]


class WorkloadSink:
    """Feeds the registry from the watch of one kind, in one namespace; in all if *namespace* is None."""

    def __init__(self, registry: WorkloadRegistry, kind: str, namespace: str | None) -> None:
        self._registry, self._kind, self._namespace = registry, kind, namespace

    def replace(self, records: Iterable[WorkloadRecord], /) -> None:
        """Replace all objects."""
        self._registry.replace(records, self._kind, self._namespace)

    def upsert(self, record: WorkloadRecord, /) -> None:
        """Store an added or modified object."""
        self._registry.put(record)

    def delete(self, record: WorkloadRecord, /) -> None:
        """Remove a deleted object."""
        self._registry.remove(record)

"""A workload's object as it is remembered: small, since a cluster may hold 10,000, and more Jobs."""

from dataclasses import dataclass

from app.domain.container_roles import NO_INIT_CONTAINERS, InitContainers
from app.domain.workloads import Workload


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """An object that makes Pods, or a CronJob; `cron_job` is the one that made a Job."""

    workload: Workload
    uid: str = ""
    cron_job: Workload | None = None
    init_containers: InitContainers = NO_INIT_CONTAINERS

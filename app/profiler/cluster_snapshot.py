"""The Pods and workloads of the cluster at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.container_roles import InitContainers
from app.domain.workloads import Workload


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """Who runs now: each Pod's workload, lasting workloads, the CronJob of each Job.

    `uids` tells which objects are there, `init_containers` of those that have some, as they are learned.
    """

    pods: Mapping[tuple[str, str], Workload] = field(default_factory=dict)
    workloads: tuple[Workload, ...] = ()
    cron_jobs: Mapping[Workload, Workload] = field(default_factory=dict)
    uids: Mapping[Workload, str] = field(default_factory=dict)
    init_containers: Mapping[Workload, InitContainers] = field(default_factory=dict)

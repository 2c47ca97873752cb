"""The Pods and workloads of the cluster at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.container_roles import InitContainers
from app.domain.namespaces import NamespaceSelection
from app.domain.workloads import Workload


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """The workload of each Pod, the long-running workloads, and the CronJob of each Job.

    `uids` has the UID of every workload object, `living` the CronJobs, and the workloads that run
    to completion and have a Pod that runs. `init_containers` has the init containers of the Pod
    templates that have some, by the workload that is profiled. `listed` are the namespaces of which all Pods
    and workloads are in the snapshot: what is not in it does not exist there.
    """

    pods: Mapping[tuple[str, str], Workload] = field(default_factory=dict)
    workloads: tuple[Workload, ...] = ()
    cron_jobs: Mapping[Workload, Workload] = field(default_factory=dict)
    uids: Mapping[Workload, str] = field(default_factory=dict)
    init_containers: Mapping[Workload, InitContainers] = field(default_factory=dict)
    living: frozenset[Workload] = frozenset()
    listed: NamespaceSelection = field(default_factory=lambda: NamespaceSelection(frozenset()))

"""The Pods and workloads of the cluster at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.container_roles import TemplateContainers
from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Resource
from app.domain.template_amounts import TemplateAmounts
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy
from app.domain.workload_state import WorkloadState
from app.domain.workloads import CRON_JOB, JOB, POD, READ_KINDS, Workload

UnreadKinds = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """The workload of each Pod, the long-running workloads, and the CronJob of each Job.

    `uids` has the UID of every workload object, `living` the CronJobs, and the workloads that run
    to completion and have a Pod that runs. `templates` has the containers of the known Pod templates, by the
    workload that is profiled; `ephemeral` has those that were added to running Pods to debug them.
    `ready_replicas` has the ready Pods of long-running workloads that have some, and `desired_replicas` those
    that are asked for. `amounts` has the requests and limits in the known Pod templates. `policies` has
    what annotations of each known workload and of its template say, `namespace_policies` those of namespaces,
    which are known of the `known_namespaces`. `listed` are the namespaces
    of which all Pods and workloads are in the snapshot: what is not in it does not exist there. `unread` are
    the kinds that can't be read now, each with a namespace or the empty one for all: their state may be out
    of date.
    """

    pods: Mapping[tuple[str, str], Workload] = field(default_factory=dict)
    workloads: tuple[Workload, ...] = ()
    cron_jobs: Mapping[Workload, Workload] = field(default_factory=dict)
    uids: Mapping[Workload, str] = field(default_factory=dict)
    templates: Mapping[Workload, TemplateContainers] = field(default_factory=dict)
    ephemeral: Mapping[Workload, frozenset[str]] = field(default_factory=dict)
    ready_replicas: Mapping[Workload, int] = field(default_factory=dict)
    desired_replicas: Mapping[Workload, int] = field(default_factory=dict)
    amounts: Mapping[Workload, TemplateAmounts] = field(default_factory=dict)
    policies: Mapping[Workload, WorkloadPolicy] = field(default_factory=dict)
    namespace_policies: Mapping[str, WorkloadPolicy] = field(default_factory=dict)
    known_namespaces: NamespaceSelection = field(default_factory=lambda: NamespaceSelection(frozenset()))
    living: frozenset[Workload] = frozenset()
    listed: NamespaceSelection = field(default_factory=lambda: NamespaceSelection(frozenset()))
    unread: UnreadKinds = frozenset()

    def state_of(self, resource: Resource, workload: Workload) -> WorkloadState | None:
        """The requests, limits and replicas of *workload*; None if its Pod template is not known."""
        amounts, desired = self.amounts.get(workload), self.desired_replicas.get(workload)
        if amounts is None:
            return None
        ready = None if desired is None else self.ready_replicas.get(workload, 0)
        return WorkloadState(amounts.of(resource), ready, desired)

    def policy_of(self, workload: Workload) -> WorkloadPolicy | None:
        """The policy of *workload*; None if its object or its namespace is not known.

        Kinds whose objects are not read have that of their namespace.
        """
        own = self.policies.get(workload, NO_POLICY if workload.kind not in READ_KINDS else None)
        if own is None or not self.known_namespaces.covers(workload.namespace):
            return None
        return own.over(self.namespace_policies.get(workload.namespace, NO_POLICY).without_faults())

    @property
    def knows_all_pods(self) -> bool:
        """True if the Pods of every namespace are up to date."""
        return all(kind != POD for kind, _ in self.unread)

    def knows_pods_of(self, namespace: str) -> bool:
        """True if the Pods of *namespace* are up to date."""
        return self.unread.isdisjoint({(POD, ""), (POD, namespace)})

    def knows_usage_of(self, workload: Workload) -> bool:
        """True if usage of *workload* is recognised: without new samples it is gone, or does not run."""
        jobs = (JOB,) if workload.kind == CRON_JOB else ()  # a Job names its CronJob
        kinds = (POD, workload.kind, *jobs)
        return self.unread.isdisjoint((kind, place) for kind in kinds for place in ("", workload.namespace))

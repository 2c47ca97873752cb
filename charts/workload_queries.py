"""The PromQL of the dashboard for workloads: needs and requests of the profiler, usage of the kubelets.

kube-state-metrics has the owners of Pods and of what controls them, which lead to workloads. The largest of
several series counts: there are two while the leader changes, or with two kube-state-metrics.
"""

from dataclasses import dataclass
from itertools import starmap

IN_NAMESPACES = 'namespace=~"$namespace"'
SELECTED = f'{IN_NAMESPACES}, workload=~"$workload"'
WORKLOAD = "namespace, workload_kind, workload"
CONTAINER = f"{WORKLOAD}, container"
ENDS = ", ".join(
    f"{end}{label}" for end in ("source", "destination") for label in ("_namespace", "_kind", "")
)
OF_ENDS = tuple(f'{end}_namespace=~"$namespace", {end}=~"$workload"' for end in ("source", "destination"))


def gauge(metric: str, labels: str = WORKLOAD, selected: str = SELECTED) -> str:
    """A gauge of the profiler, one series for each workload."""
    return f"max by ({labels}) ({metric}{{{selected}}})"


REPLICAS = gauge("job_profiler_workload_replicas")


@dataclass(frozen=True)
class ResourceQueries:
    """The queries of one resource; those of replicas are per Pod, the others the sum of all."""

    resource: str
    unit: str
    usage: str  # of each container of each Pod

    @property
    def need(self) -> str:
        """The need of one replica."""
        return gauge(f"job_profiler_profile_{self.resource}_{self.unit}")

    @property
    def request(self) -> str:
        """The request of one replica."""
        return gauge(f"job_profiler_profile_{self.resource}_request_{self.unit}")

    @property
    def over(self) -> str:
        """What all replicas request beyond their need."""
        return f"({self.request} - {self.need}) * {REPLICAS} > 0"

    @property
    def under(self) -> str:
        """What all replicas need beyond their request, which may be none."""
        return f"({self.need} - ({self.request} or 0 * {self.need})) * {REPLICAS} > 0"

    @property
    def used(self) -> str:
        """What all Pods of the workloads use that the other sums contain."""
        return f"sum by ({WORKLOAD}) ({self._of_pods(WORKLOAD)}) and {REPLICAS}"

    def used_by_replicas(self, aggregate: str) -> str:
        """What the Pods use, as the mean (`avg`) or the largest (`max`) of them."""
        return f"{aggregate} by ({WORKLOAD}) (sum by ({WORKLOAD}, pod) ({self._of_pods(WORKLOAD)}))"

    def container(self, amount: str) -> str:
        """The `need` or the `request` of each container."""
        return gauge(f"job_profiler_container_{self.resource}_{amount}_{self.unit}", CONTAINER)

    @property
    def used_by_containers(self) -> str:
        """What a container uses, as the mean of all Pods."""
        return f"avg by ({CONTAINER}) ({self._of_pods(CONTAINER)})"

    @property
    def largest_workloads(self) -> str:
        """The workloads that a table lists: those with the largest needs of a replica."""
        return f"topk(100, {self.need})"

    @property
    def largest_containers(self) -> str:
        """The containers that a table lists."""
        return f"topk(100, {self.container('need')})"

    def _of_pods(self, labels: str) -> str:
        """The usage of each container of each Pod of the selected workloads."""
        need = f"job_profiler_profile_{self.resource}_{self.unit}{{{SELECTED}}}"
        if labels == CONTAINER:
            need = f"job_profiler_container_{self.resource}_need_{self.unit}{{{SELECTED}}}"
        return (
            f"{self.usage} * on (namespace, pod) group_left (workload_kind, workload) {OWNERS}"
            f" and on ({labels}) {need}"
        )


def _owned(kind: str, label: str) -> str:
    """The Pods of a *kind* that something controls, by what controls it."""
    owner = f'kube_{kind.lower()}_owner{{{IN_NAMESPACES}, owner_is_controller="true"}}'
    return (
        f'label_replace(kube_pod_owner{{{IN_NAMESPACES}, owner_kind="{kind}", owner_is_controller="true"}}'
        f', "{label}", "$1", "owner_name", "(.+)")'
        f" * on (namespace, {label}) group_left (owner_kind, owner_name)"
        f" max by (namespace, {label}, owner_kind, owner_name) ({owner})"
    )


def _renamed(query: str) -> str:
    """*query* with the owner's labels as those of a workload."""
    for name, label in (("workload_kind", "owner_kind"), ("workload", "owner_name")):
        query = f'label_replace({query}, "{name}", "$1", "{label}", "(.+)")'
    return query


# The kinds that something may control, with the label of their name. What nothing controls is the workload.
_CONTROLLED = {
    "ReplicaSet": "replicaset",
    "Job": "job_name",
    "ReplicationController": "replicationcontroller",
}
_CONTROLLER = f'kube_pod_owner{{{IN_NAMESPACES}, owner_is_controller="true"}}'
_BY_OWNER = " or on (namespace, pod) ".join((*starmap(_owned, _CONTROLLED.items()), _CONTROLLER))
OWNERS = f"max by (namespace, pod, workload_kind, workload) ({_renamed(f'({_BY_OWNER})')})"
# The series of a whole Pod and of its pause container would count its usage again.
_CONTAINERS = f'{IN_NAMESPACES}, container!="", container!="POD"'
_BY_CONTAINER = "max by (namespace, pod, container)"
CPU = ResourceQueries(
    "cpu",
    "cores",
    f"{_BY_CONTAINER} (rate(container_cpu_usage_seconds_total{{{_CONTAINERS}}}[$__rate_interval]))",
)
MEMORY = ResourceQueries(
    "memory", "bytes", f"{_BY_CONTAINER} (container_memory_working_set_bytes{{{_CONTAINERS}}})"
)


def _edges(metric: str) -> str:
    """A gauge of the connections with a selected workload at either end."""
    source, destination = (f"{metric}{{{end}}}" for end in OF_ENDS)
    return f"max by ({ENDS}) ({source} or {destination})"


MESSAGES = _edges("job_profiler_connection_messages_per_minute")
REQUEST_BYTES = _edges("job_profiler_connection_request_bytes_per_second")
RESPONSE_BYTES = _edges("job_profiler_connection_response_bytes_per_second")
# Of the directions that are measured: `+` would need both. The label keeps them apart.
BYTES = f'sum by ({ENDS}) (label_replace({REQUEST_BYTES}, "direction", "out", "", "") or {RESPONSE_BYTES})'


def largest_edges(count: int) -> str:
    """The connections with the most messages, and those with the most bytes."""
    return f"(topk({count}, {MESSAGES}) or topk({count}, {BYTES}))"

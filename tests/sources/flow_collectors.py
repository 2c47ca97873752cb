"""Series of collectors of flows, with the labels that they and their scrape configurations set.

NetObserv: netobserv/network-observability-operator at d438271 has the metrics in
internal/pkg/metrics/predefined_metrics.go and the ServiceMonitor, which replaces the label `namespace`, in
internal/controller/flp/flp_common_objects.go; netobserv/flowlogs-pipeline at 8752783 has the values of owners
in pkg/pipeline/transform/kubernetes/informers/informers.go, and netobserv/netobserv-ebpf-agent at 56a7d35 the
gauge of sampling in pkg/metrics/metrics.go.

OBI and Beyla: grafana/beyla at b21b6af, with OBI 0.12 in vendor/go.opentelemetry.io/obi, has the labels in
pkg/export/attributes/attr_defs.go and the values of `direction` in
pkg/internal/netolly/ebpf/record_getters.go.
"""

from collections.abc import Mapping
from typing import NamedTuple

from tests.histories.proxies import Labels

INGRESS, EGRESS = (f"netobserv_workload_{side}_bytes_total" for side in ("ingress", "egress"))
SAMPLING, AGENT_SAMPLING = "netobserv_workload_sampling", "netobserv_agent_sampling_rate"


class End(NamedTuple):
    """An end of a flow: its namespace, the kind and name of its owner, and what it is."""

    namespace: str
    owner: str
    kind: str = "Deployment"
    type: str = "Pod"


def service(namespace: str, name: str) -> End:
    return End(namespace, name, "Service", "Service")


NODE = End("", "node-1", "Node", "Node")
OUTSIDE = End("", "", "", "")


def pipeline(number: int, namespace: str = "netobserv") -> dict[str, str]:
    """The labels of the target of NetObserv's pipeline on a node."""
    return {
        "namespace": namespace,
        "pod": f"flowlogs-pipeline-4x8q{number}",
        "job": "flowlogs-pipeline-prom",
        "instance": f"10.42.{number}.9:9401",
        "endpoint": "prometheus",
        "service": "flowlogs-pipeline-prom",
        "container": "flowlogs-pipeline",
    }


def netobserv(target: Labels, source: End, destination: End, **labels: str) -> dict[str, str]:
    """The labels of a flow that arrives: `namespace` is that of the destination."""
    return {
        **target,
        "namespace": destination.namespace or target["namespace"],
        "K8S_FlowLayer": "app",
        "SrcSubnetLabel": "Pods",
        "DstSubnetLabel": "Pods",
        **_ends(source, destination),
        **labels,
    }


def _ends(source: End, destination: End) -> Mapping[str, str]:
    return {
        f"{end}K8S_{name}": value
        for end, of_end in (("Src", source), ("Dst", destination))
        for name, value in zip(("Namespace", "OwnerName", "OwnerType", "Type"), of_end, strict=True)
    }


def agent(number: int, namespace: str = "obi", **labels: str) -> dict[str, str]:
    """The labels of the target of an agent of OBI or Beyla on a node."""
    return {
        "namespace": namespace,
        "pod": f"agent-7c9x{number}",
        "job": f"{namespace}/agent",
        "instance": f"192.168.0.{number}:9090",
        **labels,
    }


def network_flow(
    target: Labels, source: End, destination: End, /, direction: str = "request", **labels: str
) -> dict[str, str]:
    """The labels of a flow between two owners."""
    ends = {
        f"k8s_{end}_{name}": value
        for end, of_end in (("src", source), ("dst", destination))
        for name, value in zip(("namespace", "owner_name", "owner_type"), of_end[:3], strict=True)
    }
    return {**target, **ends, "direction": direction, "k8s_cluster_name": "", **labels}

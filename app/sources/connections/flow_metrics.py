"""The metrics of agents that see flows of packets: names, labels, and what is left out; pure.

Bytes are those of packets with headers, in the direction in which they are sent. A flow through a Service has
a twin whose end is the Service, before the address is translated: it is left out, as are ends that are Nodes
(Pods on the host's network among them) and addresses outside the cluster.
"""

from dataclasses import dataclass
from typing import Final

from app.domain.connection_providers import Provider
from app.sources.queries import Matchers

# The collectors' usual namespaces: those of NetObserv's pipelines and agents, and those of the charts.
DEFAULT_COLLECTOR_NAMESPACES: Final = frozenset({"netobserv", "netobserv-privileged", "obi", "beyla"})
REQUEST, RESPONSE = "request", "response"
_NO_WORKLOAD = "Service|Node"


@dataclass(frozen=True, slots=True)
class FlowMetric:
    """A counter of the bytes that a *source* sends to a *destination*.

    Both have labels with the namespace, kind and name of a workload. *direction* has REQUEST on a flow from
    the client and RESPONSE on one to it; without it, no label shows which end is the client. *cluster* names
    the cluster of the agent.

    Where *is_seen_at_both_ends*, the agents on the nodes of both ends count a flow, and *places* are optional
    labels that show where an end runs; *agents* are optional labels that distinguish agents in one target.

    A collector drops the counter of a flow that was idle for *idle_seconds*.

    Where *names_collector*, the label `namespace` is that of the collector, as scraping sets it.

    Agents look at one of several packets: *sampling* is a gauge with that number by flow, where it
    differs, and *agent_sampling* one by agent.
    """

    provider: Provider
    metric: str
    source: tuple[str, str, str]
    destination: tuple[str, str, str]
    cluster: str
    matchers: Matchers
    idle_seconds: int
    direction: str = ""
    is_seen_at_both_ends: bool = False
    places: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    sampling: str = ""
    agent_sampling: str = ""
    names_collector: bool = True

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a flow: those of the source, those of the destination, and the others."""
        direction = (self.direction,) if self.direction else ()
        return (*self.source, *self.destination, *direction, self.cluster)


NETOBSERV: Final = FlowMetric(
    Provider.NETOBSERV,
    # What arrives: the agent on the node of the destination counts, and no other.
    "netobserv_workload_ingress_bytes_total",
    source=("SrcK8S_Namespace", "SrcK8S_OwnerType", "SrcK8S_OwnerName"),
    destination=("DstK8S_Namespace", "DstK8S_OwnerType", "DstK8S_OwnerName"),
    cluster="K8S_ClusterName",
    matchers=(
        *('SrcK8S_Namespace!=""', f'SrcK8S_OwnerType!~"{_NO_WORKLOAD}"', f'SrcK8S_Type!~"{_NO_WORKLOAD}"'),
        *('DstK8S_Namespace!=""', f'DstK8S_OwnerType!~"{_NO_WORKLOAD}"', f'DstK8S_Type!~"{_NO_WORKLOAD}"'),
    ),
    idle_seconds=120,
    sampling="netobserv_workload_sampling",
    agent_sampling="netobserv_agent_sampling_rate",
    names_collector=False,  # its ServiceMonitor replaces the label by the namespace of the destination
)


def _network_flows(provider: Provider, prefix: str) -> FlowMetric:
    ends = ("src", "dst")
    return FlowMetric(
        provider,
        f"{prefix}_network_flow_bytes_total",
        source=("k8s_src_namespace", "k8s_src_owner_type", "k8s_src_owner_name"),
        destination=("k8s_dst_namespace", "k8s_dst_owner_type", "k8s_dst_owner_name"),
        cluster="k8s_cluster_name",
        matchers=(
            *(f'k8s_{end}_namespace!=""' for end in ends),
            *(f'k8s_{end}_owner_type!~"|{_NO_WORKLOAD}"' for end in ends),
            'iface=""',  # without deduplication each interface on the way counts a packet
        ),
        idle_seconds=300,
        direction="direction",
        is_seen_at_both_ends=True,
        places=tuple(
            label
            for end in ends
            for label in (f"k8s_{end}_node_name", f"k8s_{end}_node_ip", f"k8s_{end}_name", f"{end}_address")
        ),
        agents=(f"{prefix}_ip", "exported_job", "exported_instance"),
    )


OBI: Final = _network_flows(Provider.OBI, "obi")
BEYLA: Final = _network_flows(Provider.BEYLA, "beyla")

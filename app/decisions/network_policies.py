"""NetworkPolicies that allow the connections that were seen, and those that can't be seen.

A policy that cuts traffic is worse than none: where traffic outside of the sources is to be expected, a
warning stands in the place of a direction, and traffic in it stays open. Kubernetes always allows the traffic
between a Pod and its own node, the kubelet's probes among it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.decisions.label_selectors import pod_selector
from app.decisions.outside_traffic import (
    Surroundings,
    doubts_of_calls_from,
    doubts_of_calls_to,
    doubts_of_workload,
    open_namespaces,
)
from app.decisions.running_pods import LINKERD_SKIPPED_PORTS, MeshKind
from app.decisions.templates import WorkloadObject
from app.decisions.unseen_peers import SeenEdge, named
from app.domain.annotations import UNSEEN_PEERS
from app.domain.dns_names import shortened
from app.domain.workloads import Workload

CALLS_TO, CALLS_FROM = "calls to it", "its calls"
# Resolvers listen on 53, those of OpenShift behind their Service on 5353.
_DNS = [{"protocol": protocol, "port": port} for port in (53, 5353) for protocol in ("UDP", "TCP")]
# What proxies of a mesh show of themselves, to Prometheus and to the mesh's own tools.
_PROXY_PORTS = {MeshKind.LINKERD: (4190, 4191, *LINKERD_SKIPPED_PORTS), MeshKind.ISTIO: (15020, 15021, 15090)}
_UDP = {"protocol": "UDP"}  # no mesh sees it


@dataclass(frozen=True, slots=True)
class NetworkPolicyResult:
    """The policy of one workload; None if no direction has one. Each of `warnings` has a direction first."""

    workload: Workload
    policy: dict[str, Any] | None
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """The seen edges, and the selectors of the workloads that are known."""

    edges: Sequence[SeenEdge]
    selectors: Mapping[Workload, Mapping[str, Any]]


def network_policy(found: WorkloadObject, known: PolicyInput, around: Surroundings) -> NetworkPolicyResult:
    """The policy of a workload, and a warning for each direction that it leaves open."""
    workload = found.workload
    incoming = [edge for edge in known.edges if edge.connection.destination == workload]
    outgoing = [edge for edge in known.edges if edge.connection.source == workload]
    selector = pod_selector(found)
    if not (incoming or outgoing):
        return NetworkPolicyResult(workload, None, (("", "no connection of it was seen"),))
    if doubts := list(doubts_of_workload(found, around)):
        return NetworkPolicyResult(workload, None, tuple(("", doubt) for doubt in doubts))
    warnings: list[tuple[str, str]] = []
    spec: dict[str, Any] = {"podSelector": selector, "policyTypes": []}
    for direction, edges, doubts_of, policy_type, field, rules_of in (
        (CALLS_TO, incoming, doubts_of_calls_to, "Ingress", "ingress", _ingress),
        (CALLS_FROM, outgoing, doubts_of_calls_from, "Egress", "egress", _egress),
    ):
        doubts = list(doubts_of(found, edges, around)) if edges else ["none were seen"]
        if doubts:
            warnings += ((direction, doubt) for doubt in doubts)
            continue
        spec["policyTypes"].append(policy_type)
        spec[field] = rules_of(found.workload, edges, known, around)
    if not spec["policyTypes"]:
        return NetworkPolicyResult(workload, None, tuple(warnings))
    return NetworkPolicyResult(workload, _object(workload, spec, around), tuple(warnings))


def _object(workload: Workload, spec: dict[str, Any], around: Surroundings) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": policy_name(workload),
            "namespace": workload.namespace,
            "annotations": {UNSEEN_PEERS: around.peers.share(workload)},
        },
        "spec": spec,
    }


def policy_name(workload: Workload) -> str:
    """A name that no other workload's policy has; one that is too long ends with a hash."""
    return shortened(f"job-profiler-{workload.kind.lower()}-{workload.name}")


def _ingress(
    workload: Workload, edges: Iterable[SeenEdge], known: PolicyInput, around: Surroundings
) -> list[dict[str, Any]]:
    """Allowed callers on all ports, since no source reports ports; and ports open to all."""
    callers = _peers((edge.connection.source for edge in edges), workload, known)
    meshes = sorted({pod.mesh for pod in around.pods[workload] if pod.mesh})
    ports = [{"protocol": "TCP", "port": port} for mesh in meshes for port in _PROXY_PORTS[mesh]]
    return [{"from": callers + around.peers.rules()}, {"ports": [*ports, _UDP]}]


def _egress(
    workload: Workload, edges: Iterable[SeenEdge], known: PolicyInput, around: Surroundings
) -> list[dict[str, Any]]:
    """Allowed peers on all ports; DNS, and what no mesh sees, to everywhere."""
    called = _peers((edge.connection.destination for edge in edges), workload, known)
    called += [{"namespaceSelector": named(name)} for name in sorted(open_namespaces(workload, around))]
    skipped = [{"protocol": "TCP", "port": port} for port in LINKERD_SKIPPED_PORTS]
    return [{"to": called}, {"ports": _DNS}, {"ports": [*skipped, _UDP]}]


def _peers(ends: Iterable[Workload], workload: Workload, known: PolicyInput) -> list[dict[str, Any]]:
    """Each end by its labels; by its namespace, if its object is not known."""
    peers = []
    for end in sorted({*ends}):
        is_near = end.namespace == workload.namespace
        peer: dict[str, Any] = {} if is_near else {"namespaceSelector": named(end.namespace)}
        if end in known.selectors:
            peer["podSelector"] = dict(known.selectors[end])
        elif is_near:
            peer["podSelector"] = {}
        peers.append(peer)
    return [peer for number, peer in enumerate(peers) if peer not in peers[:number]]

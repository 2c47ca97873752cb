"""Running Pods as the sources of connections see them: with the proxy of a mesh, or without one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from app.domain.workloads import CRON_JOB, JOB, Owner, Workload, bare_pod, owner_workload

_RUN_OF_CRON_JOB = re.compile(r"(?P<cron_job>.+)-[0-9]{8,10}")
_ENDED = frozenset({"Succeeded", "Failed"})
# Linkerd's proxies leave these ports alone by default (`proxyInit.ignoreOutboundPorts`).
LINKERD_SKIPPED_PORTS = (4567, 4568)


class MeshKind(StrEnum):
    """A mesh with a proxy in each of its Pods."""

    LINKERD = "Linkerd"
    ISTIO = "Istio"


# The label that the injector of a mesh gives to each Pod with a proxy; policies select by it.
MESH_LABELS: Mapping[MeshKind, str] = {
    MeshKind.LINKERD: "linkerd.io/control-plane-ns",
    MeshKind.ISTIO: "security.istio.io/tlsMode",
}
_PROXIES = {MeshKind.LINKERD: "linkerd-proxy", MeshKind.ISTIO: "istio-proxy"}
_MESH_INIT_CONTAINERS = frozenset(
    {*_PROXIES.values(), "linkerd-init", "linkerd-network-validator", "istio-init", "istio-validation"}
)
# In place of the container that redirects traffic: the plugin's exceptions are not in the Pod.
_CNI_VALIDATORS = frozenset({"linkerd-network-validator", "istio-validation"})
_BYPASSING_ANNOTATIONS = (
    "config.linkerd.io/skip-outbound-ports",
    "config.linkerd.io/skip-subnets",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeOutboundPorts",
)
# Arguments of the init containers that redirect traffic, and their values without any exception.
_BYPASSING_ARGUMENTS = {
    "--outbound-ports-to-ignore": frozenset({"", *map(str, LINKERD_SKIPPED_PORTS)}),
    "--subnets-to-ignore": frozenset({""}),
    "-o": frozenset({""}),
    "-x": frozenset({""}),
    "-i": frozenset({"", "*"}),
}
_TRACE_COLLECTOR = "LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR"


class _OwnerReference(msgspec.Struct):
    kind: str = ""
    name: str = ""
    controller: bool = False


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    generate_name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[_OwnerReference] = []


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _Port(msgspec.Struct, rename="camel"):
    protocol: str = "TCP"
    host_port: int = 0


class _Container(msgspec.Struct, rename="camel"):
    name: str
    args: list[str] = []
    env: list[_Variable] = []
    ports: list[_Port] = []
    restart_policy: str = ""


class _Spec(msgspec.Struct, rename="camel"):
    host_network: bool = False
    containers: list[_Container] = []
    init_containers: list[_Container] = []


class _Status(msgspec.Struct):
    phase: str = ""


class PodObject(msgspec.Struct):
    """The decoded part of a Pod."""

    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A Pod that has not ended; `mesh` is that of its proxy.

    `bypass` names the setting by which calls of the Pod pass its proxy by, `unproxied` the init containers
    that run before it; `mesh_namespace` is that of Linkerd's control plane.
    """

    workload: Workload
    mesh: MeshKind | None = None
    is_on_host: bool = False
    bypass: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    unproxied: Sequence[str] = ()
    has_host_port: bool = False
    has_sctp: bool = False
    sends_traces: bool = False
    mesh_namespace: str = ""


def running_pod(pod: PodObject) -> RunningPod | None:
    """The facts on a Pod; None if it has ended."""
    if pod.status.phase in _ENDED:
        return None
    labels, containers = pod.metadata.labels, (*pod.spec.containers, *pod.spec.init_containers)
    names = {one.name for one in containers}
    mesh = next((one for one in MeshKind if _PROXIES[one] in names and MESH_LABELS[one] in labels), None)
    ports = [port for one in containers for port in one.ports]
    return RunningPod(
        _workload(pod.metadata),
        mesh,
        pod.spec.host_network,
        next(_bypasses(pod, has_label=any(label in labels for label in MESH_LABELS.values())), ""),
        labels,
        [
            one.name
            for one in pod.spec.init_containers
            if one.name not in _MESH_INIT_CONTAINERS and one.restart_policy != "Always"
        ],
        any(port.host_port for port in ports),
        any(port.protocol == "SCTP" for port in ports),
        any(one.name == _TRACE_COLLECTOR and one.value for each in containers for one in each.env),
        labels.get(MESH_LABELS[MeshKind.LINKERD], "") if mesh is MeshKind.LINKERD else "",
    )


def _workload(metadata: _Metadata) -> Workload:
    """The workload of a Pod; that of a run is the CronJob by whose pattern its Job is named."""
    owner = next((one for one in metadata.owner_references if one.controller), None)
    if owner is None:
        return bare_pod(metadata.namespace, metadata.name, metadata.generate_name)
    run = _RUN_OF_CRON_JOB.fullmatch(owner.name) if owner.kind == JOB else None
    if run:
        return Workload(metadata.namespace, run["cron_job"], CRON_JOB)
    return owner_workload(metadata.namespace, Owner(owner.kind, owner.name), metadata.labels)


def _bypasses(pod: PodObject, *, has_label: bool) -> Iterator[str]:
    """The settings of a meshed Pod by which TCP passes its proxy by; a label without a proxy is one too."""
    if has_label and not {one.name for one in (*pod.spec.containers, *pod.spec.init_containers)} & {
        *_PROXIES.values()
    }:
        yield "the label of a mesh without its proxy"
    for key in _BYPASSING_ANNOTATIONS:
        if pod.metadata.annotations.get(key, "").strip() not in {"", "*"}:
            yield key
    for container in pod.spec.init_containers:
        if container.name in _CNI_VALIDATORS:
            yield f"the CNI plugin of {container.name}"
        if container.name in _MESH_INIT_CONTAINERS:
            for name, value in _arguments(container.args):
                if {part.strip() for part in value.split(",")} - _BYPASSING_ARGUMENTS[name]:
                    yield f"{name} of {container.name}"


def _arguments(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The arguments that can make exceptions, written as two words or with `=`."""
    for position, argument in enumerate(arguments):
        name, is_joined, value = argument.partition("=")
        if name in _BYPASSING_ARGUMENTS:
            yield name, value if is_joined else next(iter(arguments[position + 1 : position + 2]), "")

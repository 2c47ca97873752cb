"""Reasons to expect traffic of a workload that no source of connections sees: then it gets no policy.

What can't be read can't be ruled out, and is a reason too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.decisions.label_selectors import pod_selector, selects, template_labels
from app.decisions.running_pods import MeshKind, RunningPod
from app.decisions.templates import WorkloadObject
from app.decisions.unseen_peers import SeenEdge, UnseenPeers
from app.domain.quantities import parse_time
from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workloads import CRON_JOB, JOB, Workload

LEAST_HOURS, LEAST_COVERAGE = 23.0, 0.9
_DAY = timedelta(days=1)
_OUTSIDE = "calls come from outside the cluster"
_OUTSIDE_TYPES = frozenset({"NodePort", "LoadBalancer"})
_MAX_NAMED = 5
_LISTED_NAMESPACES = 20  # by the profiler, for each reason: there may be more


@dataclass(frozen=True, slots=True)
class Callers:
    """An object that leads calls from outside the Pod network to Services: `name` says which, in words."""

    name: str
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Exposure:
    """The Services of a namespace, and what leads calls to them from elsewhere; `unread` is in words."""

    services: Sequence[Mapping[str, Any]] = ()
    callers: Sequence[Callers] = ()
    unread: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What the status report says of the connections; `fault` is empty if they are up to date.

    `doubted` are the namespaces with calls that are left out, by reason; `unknown_ends` those with calls to
    ends that nothing identifies, watched since `since`.
    """

    fault: str = ""
    doubted: Mapping[str, str] = field(default_factory=dict)
    unknown_ends: Collection[str] = ()
    since: datetime | None = None


def read_health(report: Mapping[str, Any] | None, max_profiles: int | None = None) -> SourceHealth:
    """The health of the connections in a status report; with *max_profiles* stored some are left out."""
    if report is None:
        return SourceHealth("the status of the profiler can't be read")
    signals = map(mapping_in, list_in(report.get("signals")))
    state = next((one for one in signals if one.get("signal") == "connections"), None)
    if state is None or state.get("state") != "Ok":
        text = text_in(mapping_in(state).get("message")) or "no state is known"
        return SourceHealth(f"the source of connections is not Ok: {text}")
    stored = sum(map(count_in, mapping_in(report.get("profiles")).values()))
    if max_profiles is not None and stored >= max_profiles:
        return SourceHealth("MAX_PROFILES is reached, so connections may be left out")
    dropped = {reason: list_in(names) for reason, names in mapping_in(report.get("droppedEdges")).items()}
    if any(len(names) >= _LISTED_NAMESPACES for names in dropped.values()):
        return SourceHealth("calls of too many namespaces were left out of the profiles to list them")
    doubted = {str(name): reason for reason, names in dropped.items() for name in names}
    ends = mapping_in(report.get("edgesOfUnknownEnds"))
    times = [parse_time(text_in(one.get("since"))) for one in (ends, state)]
    since = None if None in times else max(filter(None, times))
    return SourceHealth("", doubted, frozenset(map(str, list_in(ends.get("namespaces")))), since)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the doubts on the workloads of a namespace rest on, at the time `now`."""

    now: datetime
    pods: Mapping[Workload, Sequence[RunningPod]]  # of the namespace
    workloads: Sequence[WorkloadObject]
    peers: UnseenPeers
    exposure: Exposure
    health: SourceHealth
    on_host: Collection[Workload] = ()
    unlabelled: Collection[str] = ()  # namespaces without the label by which rules name them
    unread_namespaces: Collection[str] = ()  # excluded from profiles: calls to them are not in any


def open_namespaces(workload: Workload, around: Surroundings) -> set[str]:
    """The namespaces that a workload may call as a whole: unread ones, and Linkerd's control plane."""
    control_planes = {pod.mesh_namespace for pod in around.pods[workload] if pod.mesh_namespace}
    return control_planes | set(around.unread_namespaces)


def doubts_of_workload(found: WorkloadObject, around: Surroundings) -> Iterator[str]:
    """Reasons against any policy for a workload."""
    if around.health.fault:
        yield around.health.fault
    pods = around.pods.get(found.workload, ())
    if not pods:
        yield "no Pod of it runs, so whether it has a proxy of a mesh is not known"
    elif any(pod.is_on_host for pod in pods):
        yield "it is on the host network, where NetworkPolicies don't apply"
    elif without := sum(pod.mesh is None for pod in pods):
        yield f"{without} of {len(pods)} Pods have no proxy of a mesh, so their traffic is not seen"
    if any(pod.has_sctp for pod in pods):
        yield "it has an SCTP port, which no mesh sees"
    selector = pod_selector(found)
    if selector is None:
        yield "its Pod template has no labels to select its Pods by"
    elif others := list(_others(found, around, selector)):
        yield f"its selector also selects Pods of {_listed(others)}"


def doubts_of_calls_to(
    found: WorkloadObject, incoming: Sequence[SeenEdge], around: Surroundings
) -> Iterator[str]:
    """Reasons to expect calls to a workload that are not seen."""
    labels = template_labels(found)
    services = {
        text_in(mapping_in(one.get("metadata")).get("name")): mapping_in(one.get("spec"))
        for one in around.exposure.services
    }
    own = {
        name: spec
        for name, spec in services.items()
        if spec.get("selector") and selects({"matchLabels": mapping_in(spec["selector"])}, labels)
    }
    for name, spec in own.items():
        if spec.get("type") in _OUTSIDE_TYPES:
            yield f"Service {name} is of type {spec['type']}: {_OUTSIDE}"
        elif spec.get("externalIPs"):
            yield f"Service {name} has externalIPs: {_OUTSIDE}"
    for one in around.exposure.callers:
        if one.services & own.keys():
            yield f"{one.name} leads to Service {min(one.services & own.keys())}: {_OUTSIDE}"
    if any(pod.has_host_port for pod in around.pods.get(found.workload, ())):
        yield f"it has a hostPort: {_OUTSIDE}"
    yield from around.exposure.unread
    if around.peers.on_host:
        names = _listed(sorted(around.peers.on_host))
        yield f"workloads on the host network may call it, which no rule can allow: {names} (see --ignore)"
    yield from _past(incoming)
    ends = {edge.connection.source for edge in incoming}
    far = {end.namespace for end in ends} - {found.workload.namespace}
    yield from _unnameable(ends, {*far, *around.peers.blind_namespaces}, around)


def doubts_of_calls_from(
    found: WorkloadObject, outgoing: Sequence[SeenEdge], around: Surroundings
) -> Iterator[str]:
    """Reasons to expect calls of a workload that are not seen."""
    namespace = found.workload.namespace
    pods = around.pods.get(found.workload, ())
    if any(pod.mesh is MeshKind.ISTIO for pod in pods):
        yield "Istio's proxies call istiod, trace collectors and others, which no metric says"
    if bypass := next((pod.bypass for pod in pods if pod.bypass), ""):
        yield f"{bypass} may lead calls past the proxy"
    if names := sorted({name for pod in pods for name in pod.unproxied}):
        yield f"its init containers may call before the proxy runs: {', '.join(names)}"
    if any(pod.sends_traces for pod in pods):
        yield "its proxies send traces to a collector, which no metric says"
    yield from _doubts_of_status(namespace, around)
    yield from _past(outgoing)
    coverage = max((edge.coverage for edge in outgoing), default=0.0)
    if coverage < LEAST_COVERAGE:
        yield f"its proxies were scraped in only {coverage:.0%} of the time"
    ends = {edge.connection.destination for edge in outgoing}
    far = {end.namespace for end in ends} - {namespace}
    if far and not around.peers.is_complete:
        yield f"whether its peers in {', '.join(sorted(far))} are on the host network is not known"
    yield from _unnameable(ends, far | open_namespaces(found.workload, around), around)


def _doubts_of_status(namespace: str, around: Surroundings) -> Iterator[str]:
    """Reasons in the profiler's status: calls of the namespace that are in no profile."""
    health = around.health
    if reason := health.doubted.get(namespace):
        yield f"calls of its namespace were left out of the profiles ({reason})"
    if namespace in health.unknown_ends:
        yield "its namespace calls ends that nothing identifies, such as hosts outside the cluster"
    elif health.since is None:
        yield "whether its namespace calls hosts outside the cluster is not in the profiler's status"
    elif around.now - health.since < _DAY:
        yield f"calls to hosts outside the cluster are watched for only since {health.since.isoformat()}"


def _past(edges: Sequence[SeenEdge]) -> Iterator[str]:
    """A past that is too short for what happens once a day."""
    hours = max((edge.hours for edge in edges), default=0.0)
    if hours < LEAST_HOURS:
        yield f"its connections have been seen for only {hours:.0f} hours"


def _unnameable(
    ends: Collection[Workload], namespaces: Collection[str], around: Surroundings
) -> Iterator[str]:
    """Ends and namespaces that no rule can name."""
    if on_host := sorted(set(around.on_host) & set(ends)):
        yield f"peers on the host network can't be named in a rule: {_listed(on_host)}"
    if names := sorted({*namespaces} & {*around.unlabelled}):
        yield f"namespaces without the label kubernetes.io/metadata.name can't be named: {', '.join(names)}"


def _others(found: WorkloadObject, around: Surroundings, selector: Mapping[str, Any]) -> Iterator[Workload]:
    """Other workloads of the namespace with Pods, or a template, that *selector* selects."""
    others = {
        pod.workload
        for pods in around.pods.values()
        for pod in pods
        if pod.workload != found.workload and selects(selector, pod.labels)
    }
    others |= {
        one.workload
        for one in around.workloads
        if one.workload != found.workload and selects(selector, template_labels(one))
    }
    # The Pods of a Job count for the CronJob that its name fits.
    yield from sorted(one for one in others if {one.kind, found.workload.kind} != {JOB, CRON_JOB})


def _listed(workloads: Sequence[Workload]) -> str:
    more = f" and {len(workloads) - _MAX_NAMED} more" if len(workloads) > _MAX_NAMED else ""
    return ", ".join(map(str, workloads[:_MAX_NAMED])) + more

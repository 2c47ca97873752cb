"""The features of the profiler, and whether this Prometheus has what each needs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.diagnosis.catalogue import CATALOGUE, MESHES, METRICS_OF, Exporter
from app.diagnosis.mesh_findings import is_present
from app.diagnosis.object_findings import expected_objects
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Kind
from app.domain.profiles import Resource
from app.sources.connections import istio, linkerd
from app.sources.owners import CONTROLLER_OWNER, JOB_OWNER, POD_OWNER, REPLICASET_OWNER, WORKLOAD_OF_POD
from app.sources.pressure import (
    CPU_WAITING,
    LAST_REASON,
    MEMORY_STALLED,
    OOM_EVENTS,
    PERIODS,
    REASON,
    RESTARTS,
    THROTTLED_PERIODS,
)
from app.sources.queries import CONTAINER_REQUESTS


class State(StrEnum):
    """Whether a feature works with what is there."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "unknown"  # a query was not answered
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature by its name for users, and what its state rests on."""

    name: str
    state: State
    basis: str = ""


def features(seen: Observations) -> Iterator[Feature]:
    """All features, the most important first."""
    cpu, memory = (_usage(seen, resource) for resource in Resource)
    yield from (cpu, memory)
    yield _resting_on(_throttling(seen), cpu)
    yield _resting_on(_oom_kills(seen), memory)
    for feature in (_stalls(seen), _past_pods(seen), _requests(seen)):
        yield _resting_on(feature, cpu, memory)
    yield from (_connections(seen, mesh) for mesh in MESHES)


def _resting_on(feature: Feature, *profiles: Feature) -> Feature:
    """*feature*, which works only with any of *profiles*."""
    has_none = all(profile.state is State.NO for profile in profiles)
    return Feature(feature.name, State.NO) if has_none else feature


def _usage(seen: Observations, resource: Resource) -> Feature:
    name = "CPU profiles" if resource is Resource.CPU else "Memory profiles"
    containers = seen.sampled(resource)
    if containers is None:
        return Feature(name, State.UNKNOWN)
    if not containers:
        return Feature(name, State.NO)
    return Feature(name, State.YES, f"containers: {containers:.0f}")


def _of_metrics(
    seen: Observations, name: str, metrics: Collection[str], *, expected: Collection[str] = ()
) -> Feature:
    """Yes with all *metrics*, partly with some; those that are not *expected* may have no series."""
    if any(seen.is_unknown(CATALOGUE[metric]) for metric in metrics):
        return Feature(name, State.UNKNOWN)
    present = [metric for metric in metrics if seen.has(CATALOGUE[metric])]
    missing = [metric for metric in metrics if metric not in present and metric in (expected or metrics)]
    if not present:
        return Feature(name, State.NO)
    if missing:
        return Feature(name, State.PARTLY, f"without {', '.join(missing)}")
    return Feature(name, State.YES)


def _throttling(seen: Observations) -> Feature:
    name = "More CPU after throttling"
    feature = _of_metrics(seen, name, (PERIODS, THROTTLED_PERIODS))
    if feature.state is State.NO:
        return Feature(name, State.NO, "no container has a CPU limit, or scraping drops it")
    return feature


def _oom_kills(seen: Observations) -> Feature:
    metrics = (RESTARTS, LAST_REASON, REASON, OOM_EVENTS)
    expected = {RESTARTS, OOM_EVENTS, *expected_objects(seen)}
    return _of_metrics(seen, "More memory after OOM kills", metrics, expected=expected)


def _stalls(seen: Observations) -> Feature:
    name = "More after pressure stalls (PSI)"
    feature = _of_metrics(seen, name, (CPU_WAITING, MEMORY_STALLED))
    if feature.state is State.NO:
        return Feature(
            name, State.NO, "Kubernetes 1.34 has it on nodes with cgroup v2, unless scraping drops it"
        )
    return feature


def _past_pods(seen: Observations) -> Feature:
    """Without kube-state-metrics the pattern of names is left."""
    name = "Owners of past Pods"
    if seen.is_unknown(CATALOGUE[POD_OWNER]):
        return Feature(name, State.UNKNOWN)
    if not seen.has(CATALOGUE[POD_OWNER]):
        by_rule = seen.has(CATALOGUE[WORKLOAD_OF_POD])
        return Feature(
            name, State.PARTLY, f"by {WORKLOAD_OF_POD if by_rule else 'the pattern of their names'}"
        )
    if ambiguous := seen.number(Kind.AMBIGUOUS, POD_OWNER):
        return Feature(name, State.PARTLY, f"Pods with too many owners: {ambiguous:.0f}")
    chain = (REPLICASET_OWNER, JOB_OWNER, CONTROLLER_OWNER)
    return _of_metrics(seen, name, (POD_OWNER, *chain), expected=tuple(expected_objects(seen)))


def _requests(seen: Observations) -> Feature:
    return _of_metrics(seen, "Requests beside needs (explain, backtest)", (CONTAINER_REQUESTS,))


def _connections(seen: Observations, mesh: Exporter) -> Feature:
    name = f"Connection profiles ({mesh})"
    if mesh not in seen.target.exporters:
        return Feature(name, State.OFF, "NETWORK_METRIC_PROVIDER")
    if any(map(seen.is_unknown, METRICS_OF[mesh])):
        return Feature(name, State.UNKNOWN)
    if not is_present(seen, mesh):
        return Feature(name, State.NO)
    if mesh is Exporter.LINKERD:
        return _of_metrics(seen, name, (linkerd.REQUESTS, linkerd.RESPONSES, linkerd.WRITTEN_BYTES))
    if not seen.has(CATALOGUE[istio.REQUESTS]):
        return Feature(name, State.PARTLY, "bytes of TCP, no requests")
    return Feature(name, State.YES)

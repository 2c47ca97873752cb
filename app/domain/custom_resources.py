"""Conversion of profiles to and from custom resources (`webapp.liqo.io.profiling/v1`, schemas in `crds/`)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any

from app.domain import annotations
from app.domain.explanation import explain
from app.domain.profile_state import container_amounts, read_state, state_fields
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    ContainerNeed,
    LeftOutContainer,
    PressureSignal,
    Profile,
    ProfileKind,
    Resource,
    ResourceProfile,
    RoleNeed,
    SlotNeed,
    StatedRisk,
    StoredProfile,
)
from app.domain.quantities import format_risk, format_share, format_time, parse_time
from app.domain.reporters import Reporters
from app.domain.stored_state import NO_STATE_PARTS, StateParts
from app.domain.untyped import list_in, mapping_in, text_in
from app.domain.value_history import ValueChange
from app.domain.workload_policy import from_items
from app.domain.workloads import Connection, Workload

GROUP = "webapp.liqo.io.profiling"
VERSION = "v1"
# In a status: containers, as many as a Pod may have that gets requests; all else, and the names of all roles.
# Any Pod's owner chooses the names of its containers, and all replicas of the webhook read each status.
MAX_CONTAINERS, MAX_LISTED, MAX_NAMES = 100, 32, 128

_MAX_RAISE = 9.99  # the schema's largest; the value itself is not capped
_SHARE = re.compile(r"[01]\.[0-9]{1,8}", re.ASCII)
_REPORTED_BY = {Reporters.DESTINATION: "destination", Reporters.BOTH: "both"}
_REPORTERS = {text: reporters for reporters, text in _REPORTED_BY.items()}
_BYTES = re.compile(r"[0-9]{1,18}", re.ASCII)
_REQUEST_BYTES, _RESPONSE_BYTES = "requestBytesPerSecond", "responseBytesPerSecond"
COUNTED_BY, SAMPLED_ONE_IN = "countedBy", "sampledOneIn"
_MAX_SHARED_WORKLOADS = 20_000
_shared_workloads: dict[Workload, Workload] = {}
_NONE: Mapping[str, str] = MappingProxyType({})  # shared, since an index holds tens of thousands of profiles


@dataclass(frozen=True, slots=True)
class CustomResourceKind:
    """One of the three kinds; `spec_field` is the field of `spec` that holds a CPU or memory value."""

    kind: str
    plural: str
    spec_field: str = ""


KINDS: Mapping[ProfileKind, CustomResourceKind] = {
    ProfileKind.CPU: CustomResourceKind("CPUProfile", "cpuprofiles", "cpuProfiling"),
    ProfileKind.MEMORY: CustomResourceKind("MemoryProfile", "memoryprofiles", "memoryProfiling"),
    ProfileKind.CONNECTION: CustomResourceKind("ConnectionProfile", "connectionprofiles"),
}


def to_manifest(profile: Profile, *, name: str, namespace: str, updated_at: datetime) -> dict[str, Any]:
    """The object to apply, without its status."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KINDS[profile.identity.kind].kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": _labels(profile),
            "annotations": _identity_annotations(profile),
        },
        "spec": _spec(profile, format_time(updated_at)),
    }


def to_status(
    profile: Profile, *, refreshed_at: datetime, history: Sequence[ValueChange] = ()
) -> dict[str, Any]:
    """The `status` of *profile*: the evidence for its value, and the *history* of a CPU or memory value."""
    status: dict[str, Any] = _basis(profile.basis) | {"refreshTime": format_time(refreshed_at)}
    if explanation := explain(profile):
        status["explanation"] = explanation
    if isinstance(profile, ConnectionProfile):
        return status | _connection_status(profile)
    status |= state_fields(profile, history)
    status["slots"] = [_slot(slot) for slot in profile.slots]
    amounts = container_amounts(profile)
    status["containers"] = [
        _container(container) | amounts.get(container.name, {}) for container in _largest(profile.containers)
    ]
    if len(profile.containers) > MAX_CONTAINERS:
        status["containersTotal"] = len(profile.containers)
    if profile.roles:
        status["roles"] = list(_roles(profile.roles[:MAX_LISTED]))
    if profile.left_out:
        status["leftOutContainersTotal"] = len(profile.left_out)
        status["leftOutContainers"] = [_left_out(container) for container in profile.left_out[:MAX_LISTED]]
    if profile.risk:
        status["risk"] = _risk(profile.resource, profile.risk)
    if profile.signals:
        status["signals"] = [_signal(signal) for signal in profile.signals[:MAX_LISTED]]
    return status


def _connection_status(profile: ConnectionProfile) -> dict[str, Any]:
    """The rates of a connection; those that were not measured are absent."""
    rates = {
        "requestsPerMinute": profile.requests_per_minute,
        "responsesPerMinute": profile.responses_per_minute,
        _REQUEST_BYTES: profile.request_bytes_per_second,
        _RESPONSE_BYTES: profile.response_bytes_per_second,
    }
    status: dict[str, Any] = {"protocol": profile.protocol.label}
    status |= {name: rate for name, rate in rates.items() if rate is not None}
    if profile.counting.providers:
        status[COUNTED_BY] = profile.counting.names
    if profile.counting.one_in > 1:
        status[SAMPLED_ONE_IN] = profile.counting.one_in
    steps = {
        "messagesPerMinute": profile.messages,
        _REQUEST_BYTES: profile.request_bytes,
        _RESPONSE_BYTES: profile.response_bytes,
    }
    if measured := {name: rates for name, rates in steps.items() if rates}:
        status["steps"] = {
            name: {"p95": rates.p95, "maximum": rates.maximum} for name, rates in measured.items()
        }
    if replica := profile.per_replica:
        by_name = {
            "messagesPerMinute": replica.messages_per_minute,
            _REQUEST_BYTES: replica.request_bytes_per_second,
            _RESPONSE_BYTES: replica.response_bytes_per_second,
        }
        status["perReplica"] = {"replicas": replica.replicas} | {
            name: rate for name, rate in by_name.items() if rate is not None
        }
    return status


def stale_condition(*, stale: bool, now: str) -> dict[str, str]:
    """The condition `Stale` of a profile as `status.conditions` holds it; *now* in RFC 3339."""
    return {
        "type": "Stale",
        "status": "True" if stale else "False",
        "reason": "NoNewSamples" if stale else "NewSamples",
        "message": "no new samples arrive; the value is that of the window" if stale else "samples arrive",
        "lastTransitionTime": now,
    }


def _labels(profile: Profile) -> dict[str, str]:
    """The labels of the workload; of a connection, those of its source."""
    if isinstance(profile, ConnectionProfile):
        return annotations.profile_labels(profile.connection.source)
    return annotations.profile_labels(profile.workload)


def _identity_annotations(profile: Profile) -> dict[str, str]:
    if isinstance(profile, ConnectionProfile):
        kinds = {
            annotations.SOURCE_KIND: profile.connection.source.kind,
            annotations.DESTINATION_KIND: profile.connection.destination.kind,
        }
        reported_by = _REPORTED_BY.get(profile.reporters)
        return kinds | ({annotations.REPORTED_BY: reported_by} if reported_by else {})
    return {
        annotations.WORKLOAD_KIND: profile.workload.kind,
        annotations.WORKLOAD_NAMESPACE: profile.workload.namespace,
        annotations.WORKLOAD_NAME: profile.workload.name,
    }


def _spec(profile: Profile, update_time: str) -> dict[str, Any]:
    if isinstance(profile, ResourceProfile):
        field = KINDS[profile.resource.profile_kind].spec_field
        return {field: {"updateTime": update_time, "value": profile.value}}
    source, destination = profile.connection.source, profile.connection.destination
    return {
        "bandwidth_requirement": profile.value,
        "source_job": source.name,
        "source_namespace": source.namespace,
        "destination_job": destination.name,
        "destination_namespace": destination.namespace,
        "update_time": update_time,
    }


def _basis(basis: Basis) -> dict[str, Any]:
    return {
        "window": {"start": format_time(basis.window_start), "end": format_time(basis.window_end)},
        "samples": basis.samples,
        "coverage": format_share(basis.coverage),
        "confidence": format_share(basis.confidence),
    }


def _slot(slot: SlotNeed) -> dict[str, Any]:
    return {"start": slot.start, "end": slot.end, "value": slot.value, "samples": slot.samples}


def _container(container: ContainerNeed) -> dict[str, Any]:
    need: dict[str, Any] = {"name": container.name, "value": container.value, "samples": container.samples}
    if values := container.values:
        need["values"] = {"low": values.low, "normal": values.normal, "high": values.high}
    if container.role:
        need["role"] = container.role
    if container.rule and container.rule.siblings:
        need["siblings"] = container.rule.siblings
    return need


def _largest(containers: Sequence[ContainerNeed]) -> Sequence[ContainerNeed]:
    """The containers with the largest needs, in the same order."""
    if len(containers) <= MAX_CONTAINERS:
        return containers
    needs = sorted((float(container.value) for container in containers), reverse=True)
    least = needs[MAX_CONTAINERS - 1]
    above = [container for container in containers if float(container.value) > least]
    equal = [container for container in containers if float(container.value) == least]
    return sorted((*above, *equal[: MAX_CONTAINERS - len(above)]), key=containers.index)


def _roles(roles: Sequence[RoleNeed]) -> Iterator[dict[str, Any]]:
    """The first roles, until they have too many names."""
    left = MAX_NAMES
    for role in roles:
        names = list(role.containers[: min(left, MAX_LISTED)])
        left -= len(names)
        if not names:
            return
        more = {"containersTotal": len(role.containers)} if len(names) < len(role.containers) else {}
        yield {"containers": names, "value": role.value, **more}


def _left_out(container: LeftOutContainer) -> dict[str, Any]:
    return {"name": container.name, "samples": container.samples}


def _risk(resource: Resource, risk: StatedRisk) -> dict[str, str]:
    if resource is Resource.MEMORY:
        return {"level": risk.level.value, "dayAboveChance": format_risk(risk.expected)}
    at_most = {} if risk.at_most is None else {"timeAboveAtMost": format_risk(risk.at_most)}
    return {"level": risk.level.value, "timeAbove": format_risk(risk.expected)} | at_most


def _signal(signal: PressureSignal) -> dict[str, Any]:
    return {
        "container": signal.container,
        "reason": signal.reason.value,
        "lastSeen": format_time(signal.last_seen),
        "raisedBy": f"{min(signal.raised_by, _MAX_RAISE):.2f}",
    }


def from_manifest(
    kind: ProfileKind,
    manifest: Mapping[str, Any],
    *,
    with_containers: bool = False,
    with_last_write: bool = True,
    parts: StateParts = NO_STATE_PARTS,
) -> StoredProfile | None:
    """The profile in *manifest*; None if it has no identity, that is, if the profiler did not write it.

    People can write objects: a field that is not of the schema's type counts
    as absent. Values of containers with their confidence, and the times and the state of the last write
    (needed only to decide on the next one), cost memory, so each is optional; so are some
    *parts* of that state. Needs at other risks come with the confidence.
    """
    metadata, spec = mapping_in(manifest.get("metadata")), mapping_in(manifest.get("spec"))
    name, notes = metadata.get("name"), mapping_in(metadata.get("annotations"))
    if not isinstance(name, str):
        return None
    if kind is ProfileKind.CONNECTION:
        subject: Workload | Connection | None = _connection(spec, notes)
        value, updated = spec.get("bandwidth_requirement"), spec.get("update_time")
    else:
        subject = _workload(notes)
        need = mapping_in(spec.get(KINDS[kind].spec_field))
        value, updated = need.get("value"), need.get("updateTime")
    if subject is None or not isinstance(value, str):
        return None
    status = mapping_in(manifest.get("status"))
    return StoredProfile(
        intern(name) if with_last_write else name,  # those who write profiles read annotations of Pods too
        kind,
        subject,
        value,
        updated_at=_time(updated) if with_last_write else None,
        status_refreshed_at=_time(status.get("refreshTime")) if with_last_write else None,
        window_end=_time(mapping_in(status.get("window")).get("end")) if with_last_write else None,
        is_stale=_is_stale(status.get("conditions")),
        confidence=_share(status.get("confidence")) if with_containers or parts.risks else 0.0,
        containers=_values(status.get("containers")) if with_containers else _NONE,
        reporters=_REPORTERS.get(text_in(notes.get(annotations.REPORTED_BY)), Reporters.SOURCE),
        request_bytes=_bytes(status.get(_REQUEST_BYTES)),
        response_bytes=_bytes(status.get(_RESPONSE_BYTES)),
        state=read_state(metadata, status, subject, parts=parts) if with_last_write else None,
        policy=from_items(status.get("policy")),
    )


def _is_stale(conditions: object) -> bool:
    return any(
        condition.get("type") == "Stale" and condition.get("status") == "True"
        for condition in map(mapping_in, list_in(conditions))
    )


def _share(value: object) -> float:
    return float(value) if isinstance(value, str) and _SHARE.fullmatch(value) else 0.0


def _values(containers: object) -> Mapping[str, str]:
    if not containers:
        return _NONE
    pairs = [(item.get("name"), item.get("value")) for item in map(mapping_in, list_in(containers))]
    return {intern(name): value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def _time(value: object) -> datetime | None:
    moment = parse_time(value) if isinstance(value, str) else None
    return _shared_time(moment) if moment else None


@lru_cache(maxsize=4096)
def _shared_time(moment: datetime) -> datetime:
    """The time as one object for all profiles with the same, such as those that one cycle wrote."""
    return moment


def _bytes(value: object) -> float | None:
    return float(value) if isinstance(value, str) and _BYTES.fullmatch(value) else None


def _workload(notes: Mapping[str, Any]) -> Workload | None:
    namespace = text_in(notes.get(annotations.WORKLOAD_NAMESPACE))
    name, kind = text_in(notes.get(annotations.WORKLOAD_NAME)), text_in(notes.get(annotations.WORKLOAD_KIND))
    return _shared_workload(namespace, name, kind) if namespace and name and kind else None


def _shared_workload(namespace: str, name: str, kind: str) -> Workload:
    """The workload as one object for all its profiles, since an index holds tens of thousands of them.

    A cache of calls would also keep the arguments of each.
    """
    if len(_shared_workloads) >= _MAX_SHARED_WORKLOADS:
        _shared_workloads.clear()
    workload = Workload(intern(namespace), intern(name), intern(kind))
    return _shared_workloads.setdefault(workload, workload)


def _connection(spec: Mapping[str, Any], notes: Mapping[str, Any]) -> Connection | None:
    source = _endpoint(spec, "source", notes.get(annotations.SOURCE_KIND))
    destination = _endpoint(spec, "destination", notes.get(annotations.DESTINATION_KIND))
    return Connection(source, destination) if source and destination else None


def _endpoint(spec: Mapping[str, Any], side: str, kind: object) -> Workload | None:
    name, namespace = spec.get(f"{side}_job"), spec.get(f"{side}_namespace")
    if not (isinstance(name, str) and isinstance(namespace, str) and name and namespace):
        return None
    return _shared_workload(namespace, name, kind if isinstance(kind, str) and kind else "Deployment")

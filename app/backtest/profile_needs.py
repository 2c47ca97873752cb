"""The need in the profile of a workload, as stored in the cluster or as computed in this run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from app.domain.custom_resources import from_manifest
from app.domain.profiles import Identity, Resource
from app.domain.quantities import parse_time
from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy, policy_in
from app.domain.workloads import Workload


@dataclass(frozen=True, slots=True)
class ProfileSignal:
    """Pressure on a container, by which a value was raised."""

    container: str
    reason: str
    last_seen: str
    raised_by: float


@dataclass(frozen=True, slots=True)
class ProfileNeed:
    """The profile of one resource; fields that its object does not have are empty or None.

    Its value is computed from usage between `since` and `as_of`. `containers` maps each container's name to
    its number of siblings, and `values` to the container's value. `signals` are the entries of
    `status.signals`, `roles` the containers and the value of each in `status.roles`, `policy` the
    annotations that hold. `unreadable` counts the
    containers and signals that are not of the schema's types.
    """

    resource: Resource
    name: str
    value: str
    updated_at: datetime | None
    since: datetime | None
    as_of: datetime | None
    is_stale: bool
    explanation: str
    level: str
    containers: Mapping[str, int]
    values: Mapping[str, str]
    signals: tuple[ProfileSignal, ...]
    unreadable: int = 0
    roles: tuple[tuple[tuple[str, ...], str], ...] = ()
    policy: WorkloadPolicy = NO_POLICY


def read_need(workload: Workload, resource: Resource, manifest: Mapping[str, Any]) -> ProfileNeed | None:
    """The profile in *manifest*; None if it is not a profile of *workload*."""
    profile = from_manifest(resource.profile_kind, manifest)
    if profile is None or profile.identity != Identity(resource.profile_kind, workload):
        return None
    status = mapping_in(manifest.get("status"))
    risk, window = mapping_in(status.get("risk")), mapping_in(status.get("window"))
    containers = list(map(mapping_in, list_in(status.get("containers"))))
    listed = list_in(status.get("signals"))
    signals = tuple(filter(None, map(_signal, map(mapping_in, listed))))
    named = {name: container for container in containers if (name := text_in(container.get("name")))}
    return ProfileNeed(
        resource=resource,
        name=profile.name,
        value=profile.value,
        updated_at=profile.updated_at,
        since=parse_time(text_in(window.get("start"))),
        as_of=profile.window_end,
        is_stale=profile.is_stale,
        explanation=text_in(status.get("explanation")),
        level=text_in(risk.get("level")),
        containers={name: count_in(container.get("siblings")) for name, container in named.items()},
        values={name: text_in(container.get("value")) for name, container in named.items()},
        signals=signals,
        unreadable=len(containers) - len(named) + len(listed) - len(signals),
        roles=_roles(status.get("roles")),
        policy=policy_in(manifest),
    )


def _signal(entry: Mapping[str, Any]) -> ProfileSignal | None:
    """The signal in an entry of `status.signals`; None if a part is missing or of another type."""
    container, reason, last_seen = (text_in(entry.get(key)) for key in ("container", "reason", "lastSeen"))
    try:
        raised_by = float(text_in(entry.get("raisedBy")))
    except ValueError:
        return None
    is_whole = container and reason and last_seen and isfinite(raised_by)
    return ProfileSignal(container, reason, last_seen, raised_by) if is_whole else None


def _roles(roles: object) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The containers and the value of each role; those of other types are left out."""
    read = (
        (tuple(filter(None, map(text_in, list_in(role.get("containers"))))), text_in(role.get("value")))
        for role in map(mapping_in, list_in(roles))
    )
    return tuple((containers, value) for containers, value in read if containers and value)

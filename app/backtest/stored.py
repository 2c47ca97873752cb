"""The stored profile of a workload, and reasons why its value may differ from a computed one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from app.backtest.explanation import Explanation
from app.backtest.report import format_day
from app.domain.custom_resources import from_manifest
from app.domain.profiles import Identity, Resource, RiskLevel
from app.domain.quantities import format_need, format_time, parse_time
from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workloads import Workload

_PRESSURE = {
    "CPUThrottling": "CPU throttling",
    "CPUWaiting": "Waiting for CPU (PSI)",
    "OOMKilled": "An OOM kill",
    "MemoryStalled": "Stalling on memory (PSI)",
}
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """Pressure on a container, by which a value was raised."""

    container: str
    reason: str
    last_seen: str
    raised_by: float


@dataclass(frozen=True, slots=True)
class StoredNeed:
    """The stored profile of one resource; fields that its object does not have are empty or None.

    Its value is computed from usage between `since` and `as_of`. `containers` maps each container's name to
    its number of siblings. `signals` are the entries of `status.signals`, `roles` the containers and the
    value of each in `status.roles`. `unreadable` counts the containers and signals that are not of the
    schema's types.
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
    signals: tuple[StoredSignal, ...]
    unreadable: int = 0
    roles: tuple[tuple[tuple[str, ...], str], ...] = ()


def read_stored(workload: Workload, resource: Resource, manifest: Mapping[str, Any]) -> StoredNeed | None:
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
    return StoredNeed(
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
        signals=signals,
        unreadable=len(containers) - len(named) + len(listed) - len(signals),
        roles=_roles(status.get("roles")),
    )


def _signal(entry: Mapping[str, Any]) -> StoredSignal | None:
    """The signal in an entry of `status.signals`; None if a part is missing or of another type."""
    container, reason, last_seen = (text_in(entry.get(key)) for key in ("container", "reason", "lastSeen"))
    try:
        raised_by = float(text_in(entry.get("raisedBy")))
    except ValueError:
        return None
    is_whole = container and reason and last_seen and isfinite(raised_by)
    return StoredSignal(container, reason, last_seen, raised_by) if is_whole else None


def difference_reasons(stored: StoredNeed, computed: Sequence[Explanation], risk: RiskLevel) -> Iterator[str]:
    """Yields reasons why the value of *stored* may differ from the sum of *computed* at *risk*."""
    yield from (
        f"{_PRESSURE.get(signal.reason, signal.reason)} of {signal.container} (last seen"
        f" {signal.last_seen}) raises the stored value by {signal.raised_by:.0%}; the computed"
        " value ignores throttling and OOM kills."
        for signal in stored.signals
    )
    if stored.roles:
        yield _role_reason(stored.roles)
    yield from _sibling_reasons(stored, computed)
    yield from _container_reasons(stored, computed)
    if stored.level not in {"", risk.value}:
        yield f"The stored value is for {stored.level} risk, the computed one for {risk.value} risk (--risk)."
    yield from _time_reasons(stored, computed)


def _roles(roles: object) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The containers and the value of each role; those of other types are left out."""
    read = (
        (tuple(filter(None, map(text_in, list_in(role.get("containers"))))), text_in(role.get("value")))
        for role in map(mapping_in, list_in(roles))
    )
    return tuple((containers, value) for containers, value in read if containers and value)


def _role_reason(roles: Sequence[tuple[tuple[str, ...], str]]) -> str:
    named = "; ".join(f"{' and '.join(containers)} {value}" for containers, value in roles)
    return f"The stored value is that of the largest Pod, and no Pod has all containers: {named}."


def _sibling_reasons(stored: StoredNeed, computed: Sequence[Explanation]) -> Iterator[str]:
    computed_counts = {
        explanation.container.container: explanation.siblings.count if explanation.siblings else 0
        for explanation in computed
    }
    for container, count in stored.containers.items():
        if container in computed_counts and count != computed_counts[container]:
            yield (
                f"Siblings of {container}: {count} in the stored profile, {computed_counts[container]} in the"
                " usage that was read (--profiling-namespace adds namespaces)."
            )


def _container_reasons(stored: StoredNeed, computed: Sequence[Explanation]) -> Iterator[str]:
    computed_names = {explanation.container.container for explanation in computed}
    if not stored.containers:
        return
    if omitted := sorted(computed_names - stored.containers.keys()):
        yield (
            f"The stored value omits {', '.join(omitted)}: it is the sum of the containers that still run"
            " beside the application."
        )
    if added := sorted(stored.containers.keys() - computed_names):
        yield f"The stored value includes {', '.join(added)}, for which no usage was found."


def _time_reasons(stored: StoredNeed, computed: Sequence[Explanation]) -> Iterator[str]:
    """Yields a reason if the stored usage starts later or ends earlier, or if the profile is stale."""
    first = min(explanation.days[0].day for explanation in computed)
    last = max(explanation.days[-1].day for explanation in computed)
    if stored.since and stored.since.timestamp() >= (first + 1) * _DAY_SECONDS:
        yield (
            f"The stored value uses usage since {format_time(stored.since)}, the computed one since"
            f" {format_day(first)}."
        )
    if stored.as_of and stored.as_of.timestamp() <= last * _DAY_SECONDS:
        yield (
            f"The stored value uses usage up to {format_time(stored.as_of)}, the computed one up to"
            f" {format_day(last)}."
        )
    if stored.is_stale:
        yield "The stored profile is Stale: the profiler has no new usage of this workload."


def format_sum(explanations: Sequence[Explanation]) -> str:
    """The sum of the containers' values, formatted as in a profile."""
    total = sum(explanation.chosen.value for explanation in explanations)
    return format_need(explanations[0].resource, total)

"""What the stored profile of a workload tells, and why it may be another number than one worked out anew."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.backtest.explanation import Explanation
from app.backtest.report import date_of
from app.domain.custom_resources import from_manifest
from app.domain.profiles import Identity, Resource, RiskLevel
from app.domain.quantities import format_need, format_time, parse_time
from app.domain.workloads import Workload

_SIGNS = {"CPUThrottling": "CPU throttling", "OOMKilled": "An OOM kill"}
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class StoredNeed:
    """The profile of one resource; what its object does not tell is empty or None.

    It rests on usage from `since` to `as_of`. `containers` are names and the number of siblings whose value
    each one has; `signals` stand there as in the object.
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
    signals: tuple[Mapping[str, str], ...]


def read_stored(workload: Workload, resource: Resource, manifest: Mapping[str, Any]) -> StoredNeed | None:
    """What the object tells; None where it is not the profile of *workload*."""
    profile = from_manifest(resource.profile_kind, manifest)
    if profile is None or profile.identity != Identity(resource.profile_kind, workload):
        return None
    status = manifest.get("status") or {}
    risk, window = status.get("risk") or {}, status.get("window") or {}
    return StoredNeed(
        resource=resource,
        name=profile.name,
        value=profile.value,
        updated_at=profile.updated_at,
        since=parse_time(window.get("start") or ""),
        as_of=profile.window_end,
        is_stale=profile.is_stale,
        explanation=status.get("explanation") or "",
        level=risk.get("level") or "",
        containers={each["name"]: each.get("siblings") or 0 for each in status.get("containers") or ()},
        signals=tuple(status.get("signals") or ()),
    )


def told_differently(stored: StoredNeed, anew: Sequence[Explanation], risk: RiskLevel) -> Iterator[str]:
    """What *stored* counts and what was worked out *anew* does not, or the other way round."""
    yield from (
        f"{_SIGNS.get(sign['reason'], sign['reason'])} of {sign['container']}, last seen {sign['lastSeen']},"
        f" raises it by {float(sign['raisedBy']):.0%}; here no sign of need counts."
        for sign in stored.signals
    )
    yield from _siblings(stored, anew)
    yield from _containers(stored, anew)
    if stored.level not in {"", risk.value}:
        yield f"It was made at {stored.level} risk, this at {risk.value} (--risk)."
    yield from _times(stored, anew)


def _siblings(stored: StoredNeed, anew: Sequence[Explanation]) -> Iterator[str]:
    here = {each.container.container: each.siblings.count if each.siblings else 0 for each in anew}
    for container, count in stored.containers.items():
        if container in here and count != here[container]:
            yield (
                f"Siblings whose value {container} has: {count} there, {here[container]} in what was read"
                " here (other namespaces are read where --profiling-namespace names them)."
            )


def _containers(stored: StoredNeed, anew: Sequence[Explanation]) -> Iterator[str]:
    here = {each.container.container for each in anew}
    if not stored.containers:
        return
    if gone := sorted(here - stored.containers.keys()):
        yield f"It leaves out {', '.join(gone)}: only what still runs beside the application is summed up."
    if unknown := sorted(stored.containers.keys() - here):
        yield f"It also sums up {', '.join(unknown)}, of which no usage was found here."


def _times(stored: StoredNeed, anew: Sequence[Explanation]) -> Iterator[str]:
    """Whether it rests on a later begin, or on an older end."""
    first, last = min(each.days[0].day for each in anew), max(each.days[-1].day for each in anew)
    if stored.since and stored.since.timestamp() >= (first + 1) * _DAY_SECONDS:
        yield f"It knows no usage before {format_time(stored.since)}, this one begins on {date_of(first)}."
    if stored.as_of and stored.as_of.timestamp() <= last * _DAY_SECONDS:
        yield f"It rests on usage up to {format_time(stored.as_of)}, this one up to {date_of(last)}."
    if stored.is_stale:
        yield "It is Stale: no new usage has come to the profiler."


def sum_of(anew: Sequence[Explanation]) -> str:
    """The values of all containers together, as a profile spells them."""
    return format_need(anew[0].resource, sum(each.chosen.value for each in anew))

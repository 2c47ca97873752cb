"""What is in a check-point, history or profile that was read, in plain terms: no test reads attributes."""

from datetime import datetime
from typing import Any

import numpy as np

from tests.public_surface.application import (
    Checkpoint,
    Connection,
    Pressure,
    RecordedSeries,
    Resource,
    StepRange,
    StoredProfile,
    Workload,
)

Container = tuple[str, str]  # of the workload's text and the container's name


def containers(checkpoint: Checkpoint) -> list[Container]:
    """Each container with its workload, in the order in which they are stored."""
    return [(str(workload), name) for workload, name in checkpoint.usage.series.index]


def runs(checkpoint: Checkpoint) -> dict[str, set[str]]:
    """The Pods that were seen of what is run again and again."""
    return {str(workload): set(pods) for workload, pods in checkpoint.usage.runs.items()}


def namespaces(checkpoint: Checkpoint) -> tuple[set[str] | None, set[str]]:
    """The namespaces that were asked for, and those that were not."""
    included = checkpoint.namespaces.included
    return None if included is None else set(included), set(checkpoint.namespaces.excluded)


def range_and_newest(checkpoint: Checkpoint) -> tuple[int, int, int]:
    """The first and the last key, and the newest step."""
    return checkpoint.keys.first, checkpoint.keys.last, checkpoint.newest_step


def usage(checkpoint: Checkpoint, resource: str) -> dict[int, dict[str, dict[Container, Any]]]:
    """By day: samples, steps seen, and the maximum of each of four slots, of each container."""
    rows: Any = checkpoint.usage.histograms[Resource(resource)]
    names, days = containers(checkpoint), {}
    for number, day in rows.days.items():
        maxima = day.maxima.reshape(-1, 4).tolist()
        days[number] = {
            "samples": dict(zip(names, rows.samples(number).tolist(), strict=True)),
            "steps": dict(zip(names, day.steps_seen.tolist(), strict=True)),
            "maxima": dict(zip(names, maxima, strict=True)),
        }
    return days


def seen(checkpoint: Checkpoint, resource: str) -> dict[Container, tuple[int, int, int]]:
    """The first and the last step of each container, and how many of the last 64 up to that were seen."""
    rows: Any = checkpoint.usage.histograms[Resource(resource)]
    recent = np.bitwise_count(rows.recent).tolist()
    found = zip(rows.first_seen.tolist(), rows.last_seen.tolist(), recent, strict=True)
    return dict(zip(containers(checkpoint), found, strict=True))


def histogram(checkpoint: Checkpoint, resource: str, day: int) -> dict[tuple[Container, int], list[int]]:
    """The counts of the buckets that are not empty, in rising order, of each container and slot."""
    rows: Any = checkpoint.usage.histograms[Resource(resource)]
    found: dict[tuple[Container, int], list[int]] = {}
    for key, count in zip(rows.days[day].keys.tolist(), rows.days[day].counts.tolist(), strict=True):
        series, slot = divmod(key // rows.grid.size, 4)
        found.setdefault((containers(checkpoint)[series], slot), []).append(count)
    return found


def pressure(
    checkpoint: Checkpoint, reason: str
) -> tuple[dict[int, dict[Container, int]], dict[Container, int]]:
    """By day the ten-thousandths of each container that showed the sign, and the step that showed it last."""
    rows: Any = checkpoint.usage.pressure[Pressure(reason)]
    names = containers(checkpoint)
    parts = {
        number: {name: part for name, part in zip(names, day.tolist(), strict=False) if part}
        for number, day in rows.days.items()
    }
    last = {name: step for name, step in zip(names, rows.seen_last.tolist(), strict=True) if step > 0}
    return {number: day for number, day in parts.items() if day}, last


def missing(checkpoint: Checkpoint, past: StepRange) -> list[list[StepRange]]:
    """The steps of *past* that CPU, memory and both signs lack, and those that connections lack."""
    usage_and_signs = [rows.coverage.missing(past) for rows in checkpoint.usage.histories()]
    return [*usage_and_signs, checkpoint.connections.missing(past.last)]


def edges(checkpoint: Checkpoint) -> dict[str, tuple[float, float, float | None, float | None, int]]:
    """Requests and responses a minute, bytes a second in both directions, scraped steps."""
    return {
        str(mean.connection): (
            mean.requests_per_minute,
            mean.responses_per_minute,
            mean.request_bytes_per_second,
            mean.response_bytes_per_second,
            mean.scraped_steps,
        )
        for mean in checkpoint.connections.means()
    }


def series(table: RecordedSeries) -> dict[str, tuple[int, float, float, float, float]]:
    """Of each name: samples, the first and the last time, the largest of both values."""
    found = {}
    for number, name in enumerate(table.names):
        mine = table.series == number
        times, (one, other) = table.timestamps[mine], (values[mine] for values in table.values)
        found[name] = (len(times), float(times[0]), float(times[-1]), float(one.max()), float(other.max()))
    return found


def facts(table: RecordedSeries) -> tuple[tuple[str, ...], list[list[float]]]:
    """The workloads and both requests of a history's containers."""
    assert table.requests is not None
    return table.workloads, [each.tolist() for each in table.requests]


def identity(profile: StoredProfile) -> tuple[str, str, tuple[tuple[str, str, str], ...]]:
    """Name, resource, and kind, namespace and name of the workload or of both ends."""
    subject = profile.subject
    ends = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    return profile.name, profile.kind.value, tuple(map(_end, ends))


def _end(workload: Workload) -> tuple[str, str, str]:
    return workload.kind, workload.namespace, workload.name


def times(profile: StoredProfile) -> tuple[datetime | None, datetime | None, datetime | None]:
    """When its value changed, when its status was written, and the end of its window."""
    return profile.updated_at, profile.status_refreshed_at, profile.window_end


def judged(profile: StoredProfile) -> tuple[str, bool, float, dict[str, str]]:
    """The value, whether it is stale, its confidence, and each container's value."""
    return profile.value, profile.is_stale, profile.confidence, dict(profile.containers)

"""The content of decoded check-points, histories and profiles as plain values, for the tests."""

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

Container = tuple[str, str]  # the workload's text and the container's name


def containers(checkpoint: Checkpoint) -> list[Container]:
    """Each container with its workload, in stored order."""
    return [(str(workload), name) for workload, name in checkpoint.usage.series.index]


def runs(checkpoint: Checkpoint) -> dict[str, set[str]]:
    """The Pods of each workload that runs repeatedly."""
    return {str(workload): set(pods) for workload, pods in checkpoint.usage.runs.items()}


def namespaces(checkpoint: Checkpoint) -> tuple[set[str] | None, set[str]]:
    """The selected and the excluded namespaces."""
    included = checkpoint.namespaces.included
    return None if included is None else set(included), set(checkpoint.namespaces.excluded)


def range_and_newest(checkpoint: Checkpoint) -> tuple[int, int, int]:
    """The first and the last key, and the newest step."""
    return checkpoint.keys.first, checkpoint.keys.last, checkpoint.newest_step


def usage(checkpoint: Checkpoint, resource: str) -> dict[int, dict[str, dict[Container, Any]]]:
    """By day: samples, covered steps, and the maximum of each of four slots, of each container."""
    rows: Any = checkpoint.usage.histograms[Resource(resource)]
    names, days = containers(checkpoint), {}
    for number, day in rows.days.items():
        maxima = day.maxima.reshape(-1, 4).tolist()
        days[number] = {
            "samples": dict(zip(names, rows.sample_counts(number).tolist(), strict=True)),
            "steps": dict(zip(names, day.steps_seen.tolist(), strict=True)),
            "maxima": dict(zip(names, maxima, strict=True)),
        }
    return days


def seen(checkpoint: Checkpoint, resource: str) -> dict[Container, tuple[int, int, int]]:
    """The first and the last step of each container, and how many of the 64 steps up to it have samples."""
    rows: Any = checkpoint.usage.histograms[Resource(resource)]
    recent = np.bitwise_count(rows.recent).tolist()
    steps = zip(rows.first_seen.tolist(), rows.last_seen.tolist(), recent, strict=True)
    return dict(zip(containers(checkpoint), steps, strict=True))


def histogram(checkpoint: Checkpoint, resource: str, day: int) -> dict[tuple[Container, int], list[int]]:
    """The counts of the non-empty buckets in ascending order, of each container and slot."""
    rows: Any = checkpoint.usage.histograms[Resource(resource)]
    counts: dict[tuple[Container, int], list[int]] = {}
    for key, count in zip(rows.days[day].keys.tolist(), rows.days[day].counts.tolist(), strict=True):
        series, slot = divmod(key // rows.grid.size, 4)
        counts.setdefault((containers(checkpoint)[series], slot), []).append(count)
    return counts


def pressure(
    checkpoint: Checkpoint, reason: str
) -> tuple[dict[int, dict[Container, int]], dict[Container, int]]:
    """The pressure of each container by day, in ten-thousandths, and its last step with pressure."""
    rows: Any = checkpoint.usage.pressure[Pressure(reason)]
    names = containers(checkpoint)
    parts = {
        number: {name: part for name, part in zip(names, day.tolist(), strict=False) if part}
        for number, day in rows.days.items()
    }
    last = {name: step for name, step in zip(names, rows.last_seen_steps.tolist(), strict=True) if step > 0}
    return {number: day for number, day in parts.items() if day}, last


def missing(checkpoint: Checkpoint, past: StepRange) -> list[list[StepRange]]:
    """The uncovered steps of *past*: of CPU, memory and each kind of pressure, then of connections."""
    usage_and_pressure = [rows.coverage.missing(past) for rows in checkpoint.usage.histories()]
    return [*usage_and_pressure, checkpoint.connections.missing(past.last)]


def edges(checkpoint: Checkpoint) -> dict[str, tuple[float, float, float | None, float | None, int]]:
    """By edge: requests and responses per minute, bytes per second out and back, scraped steps."""
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
    """By name: samples, first and last time, and the maximum of both values."""
    series_by_name = {}
    for number, name in enumerate(table.names):
        rows = table.series == number
        times, (first, second) = table.timestamps[rows], (values[rows] for values in table.values)
        maxima = float(first.max()), float(second.max())
        series_by_name[name] = (len(times), float(times[0]), float(times[-1]), *maxima)
    return series_by_name


def facts(table: RecordedSeries) -> tuple[tuple[str, ...], list[list[float]]]:
    """The workloads, and the CPU and memory requests, of a history's containers."""
    assert table.requests is not None
    return table.workloads, [requests.tolist() for requests in table.requests]


def identity(profile: StoredProfile) -> tuple[str, str, tuple[tuple[str, str, str], ...]]:
    """The profile's name and resource, and kind, namespace and name of its workload or of both endpoints."""
    subject = profile.subject
    endpoints = (subject.source, subject.destination) if isinstance(subject, Connection) else (subject,)
    return profile.name, profile.kind.value, tuple(map(_endpoint, endpoints))


def _endpoint(workload: Workload) -> tuple[str, str, str]:
    return workload.kind, workload.namespace, workload.name


def times(profile: StoredProfile) -> tuple[datetime | None, datetime | None, datetime | None]:
    """The times of the last change, of the last status, and of the window's end."""
    return profile.updated_at, profile.status_refreshed_at, profile.window_end


def judged(profile: StoredProfile) -> tuple[str, bool, float, dict[str, str]]:
    """The value, staleness, confidence, and the value of each container."""
    return profile.value, profile.is_stale, profile.confidence, dict(profile.containers)

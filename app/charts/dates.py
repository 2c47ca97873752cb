"""Time axes: dates in UTC, or hours where the times are not real; ticks as far apart as labels need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

SECONDS_PER_DAY = 86_400
_HOUR = 3600
_HOURS = tuple(hours * _HOUR for hours in (1, 2, 3, 6, 12))
_DAYS = tuple(days * SECONDS_PER_DAY for days in (1, 2, 7, 14, 28, 56, 112))
_DAYS_WITH_HOURS = 3
_LABEL_WIDTH = 48  # pixels, with the space between two labels


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The labels by Unix time, and the title."""

    labels: Mapping[float, str]
    title: str


# From the start and the end of an axis, as Unix times, and its width in pixels.
DrawTimeAxis = Callable[[float, float, int], TimeAxis]


def calendar(start: float, end: float, width: int) -> TimeAxis:
    """Dates, `14 Mar`, and in a few days also hours, `06:00`."""
    labels = {time: tick_label(time) for time in tick_times(start, end, width)}
    return TimeAxis(labels, date_range(start, end))


def aligned_hours(start: float, end: float, width: int) -> TimeAxis:
    """Hours since the start, for times that are not real because those of several containers were aligned."""
    labels = {time: f"{(time - start) / _HOUR:g} h" for time in tick_times(start, end, width)}
    return TimeAxis(labels, "hours; the times of all containers are aligned")


def tick_times(start: float, end: float, width: int) -> list[float]:
    """The Unix times of the ticks: midnights, or hours if the axis is of few days."""
    span = max(end - start, 1)
    steps = (*_HOURS, *_DAYS) if span <= _DAYS_WITH_HOURS * SECONDS_PER_DAY else _DAYS
    step = next((step for step in steps if span / step * _LABEL_WIDTH <= width), steps[-1])
    first = -(-int(start) // step) * step
    return [float(time) for time in range(first, int(end) + 1, step)]


def tick_label(seconds: float) -> str:
    """`14 Mar` at midnight, else `06:00`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%b}" if seconds % SECONDS_PER_DAY == 0 else f"{moment:%H:%M}"


def date_range(start: float, end: float) -> str:
    """`1 Mar to 14 Mar 2026, UTC`; the end itself is not included."""
    first, last = (datetime.fromtimestamp(seconds, UTC) for seconds in (start, end - 1))
    if first.date() == last.date():
        return f"{first.day} {first:%b %Y}, UTC"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%b}{year} to {last.day} {last:%b %Y}, UTC"

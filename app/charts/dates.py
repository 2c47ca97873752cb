"""Ticks of a time axis in UTC, as far apart as their labels need."""

from datetime import UTC, datetime

SECONDS_PER_DAY = 86_400
_HOUR = 3600
_HOURS = tuple(hours * _HOUR for hours in (1, 2, 3, 6, 12))
_DAYS = tuple(days * SECONDS_PER_DAY for days in (1, 2, 7, 14, 28, 56, 112))
_DAYS_WITH_HOURS = 3
_LABEL_WIDTH = 48  # pixels, with the space between two labels


def tick_times(start_seconds: float, end_seconds: float, width: int) -> list[int]:
    """The Unix times of the ticks: midnights, or hours if the axis is of few days."""
    span = max(end_seconds - start_seconds, 1)
    steps = (*_HOURS, *_DAYS) if span <= _DAYS_WITH_HOURS * SECONDS_PER_DAY else _DAYS
    step = next((step for step in steps if span / step * _LABEL_WIDTH <= width), steps[-1])
    first = -(-int(start_seconds) // step) * step
    return list(range(first, int(end_seconds) + 1, step))


def tick_label(seconds: float) -> str:
    """`14 Mar` at midnight, else `06:00`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%b}" if seconds % SECONDS_PER_DAY == 0 else f"{moment:%H:%M}"


def date_range(start_seconds: float, end_seconds: float) -> str:
    """The title of the axis, `1 Mar to 14 Mar 2026, UTC`."""
    first, last = (datetime.fromtimestamp(seconds, UTC) for seconds in (start_seconds, end_seconds - 1))
    if first.date() == last.date():
        return f"{first.day} {first:%b %Y}, UTC"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%b}{year} to {last.day} {last:%b %Y}, UTC"

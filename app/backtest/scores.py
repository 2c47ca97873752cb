"""How values would have held: slack (what was set aside in vain) and risk (what was not enough).

Relative slack is Autopilot's: (value - P95 of the day's samples) / value, within [-1, 1], averaged over
containers and days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import LEAST_STEPS
from app.backtest.usage import Lanes, Usage, largest, percentile, pooled
from app.domain.profiles import Resource

MOSTLY_ABOVE = 0.2
Values = NDArray[np.float64]  # [series, days], NaN for none


@dataclass(frozen=True, slots=True)
class ResourceScores:
    """Of one resource; shares in [0, 1]. `absolute_slack` is the mean of what was set aside and not used."""

    relative_slack: float
    relative_slack_clipped_at_zero: float
    absolute_slack: float
    time_above: float
    days_mostly_above: float
    days_above: float
    changes_per_day: float
    container_days: int


_UNKNOWN = float("nan")
NOTHING = ResourceScores(_UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, 0)


class DayFacts:
    """What the judged days of one resource came to, worked out once for all policies."""

    def __init__(self, lanes: Lanes, judged: NDArray[np.bool_]) -> None:
        self._lanes, self._judged = lanes, judged
        self._p95 = lanes.by_day(lambda x: percentile(pooled(x), 0.95))
        self._maximum = lanes.by_day(lambda x: largest(pooled(x)))

    def scores(self, values: Values, changes: Values) -> ResourceScores:
        """The scores of *values*; *changes* counts how often the value of each day came to move."""
        counted = self._judged & np.isfinite(values)
        # A value of zero, which only who knows the coming day may choose, leaves no slack to speak of.
        if not (counted & (values > 0)).any():
            return NOTHING
        # Samples are kept in single precision: a value must not exceed an equal sample by its digits.
        held = values.astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            slack = np.clip((held - self._p95) / held, -1, 1)[counted]
        above, unused = (each[counted] for each in self._against(held))
        return ResourceScores(
            relative_slack=float(np.nanmean(slack)),
            relative_slack_clipped_at_zero=float(np.nanmean(np.maximum(slack, 0))),
            absolute_slack=float(unused.mean()),
            time_above=float(above.mean()),
            days_mostly_above=float((above > MOSTLY_ABOVE).mean()),
            days_above=float((self._maximum > held)[counted].mean()),
            changes_per_day=float(changes[counted].mean()),
            container_days=int(counted.sum()),
        )

    def time_above(self, values: Values) -> Values:
        """The share of each judged day's samples above *values*; NaN for all other days."""
        return np.where(self._judged, self._against(values.astype(np.float32))[0], np.nan)

    def exceeded(self, values: Values) -> Values:
        """1 for each judged day with a sample above *values*, 0 for one without; NaN for all other days."""
        return np.where(self._judged, self._maximum > values.astype(np.float32), np.nan)

    def time_above_on(self, day: int, values: NDArray[np.float32]) -> Values:
        """The share of one day's samples above *values* [series]; NaN where little of it was seen."""
        return self._day_against(day, values)[0]

    def _against(self, held: NDArray[np.float32]) -> tuple[Values, Values]:
        """For each judged day the share of samples above *held*, and the mean of what they leave unused."""
        above, unused = np.full(held.shape, np.nan), np.full(held.shape, np.nan)
        for day in np.flatnonzero(self._judged.any(axis=0)).tolist():
            above[:, day], unused[:, day] = self._day_against(day, held[:, day])
        return above, unused

    def _day_against(self, day: int, held: NDArray[np.float32]) -> tuple[Values, Values]:
        above, unused = np.full(len(held), np.nan), np.full(len(held), np.nan)
        for series, samples in self._lanes.pools(slice(day, day + 1)):
            seen = np.flatnonzero(np.isfinite(samples).any(axis=1).sum(axis=1) >= LEAST_STEPS)
            value, flat = held[series[seen], np.newaxis], pooled(samples[seen])
            count = np.isfinite(flat).sum(axis=1)
            above[series[seen]] = (flat > value).sum(axis=1) / count
            unused[series[seen]] = np.nansum(np.maximum(value - flat, 0), axis=1) / count
        return above, unused


Facts = Mapping[Resource, DayFacts]


def facts_of(usage: Usage, judged: NDArray[np.bool_]) -> Facts:
    """Of both resources."""
    return {resource: DayFacts(lanes, judged) for resource, lanes in usage.lanes.items()}

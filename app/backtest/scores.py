"""Scores of values on past usage: slack (reserved and unused share) and risk (usage above the value).

Relative slack is defined as in Autopilot: (value - P95 of the day's samples) / value, clipped to [-1, 1],
averaged over containers and days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import MIN_STEPS
from app.backtest.usage import Lanes, Usage, maximum, percentile, pool_replicas
from app.domain.profiles import Resource

MOSTLY_ABOVE = 0.2  # share of a day's samples
Values = NDArray[np.float64]  # [series, days], NaN where there is no value


@dataclass(frozen=True, slots=True)
class ResourceScores:
    """The scores of one resource, means over all evaluated days of all containers.

    Shares are in [0, 1]. `absolute_slack` is the unused part of the value, in cores or bytes.
    """

    relative_slack: float
    relative_slack_clipped_at_zero: float
    absolute_slack: float
    time_above: float
    days_mostly_above: float
    days_above: float
    changes_per_day: float
    container_days: int


_UNKNOWN = float("nan")
NO_SCORES = ResourceScores(_UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, 0)


class ResourceScorer:
    """Scores values of one resource; the statistics of the days are computed once for all policies."""

    def __init__(self, lanes: Lanes, mask: NDArray[np.bool_]) -> None:
        self._lanes, self._mask = lanes, mask
        self._p95 = lanes.measure_by_day(lambda x: percentile(pool_replicas(x), 0.95))
        self._maximum = lanes.measure_by_day(lambda x: maximum(pool_replicas(x)))

    def scores(self, values: Values, changes: Values) -> ResourceScores:
        """The scores of *values*; *changes* is the number of changes of the value on each day."""
        scored = self._mask & np.isfinite(values)
        # Zero occurs only as a clairvoyant value; its relative slack is undefined.
        if not (scored & (values > 0)).any():
            return NO_SCORES
        # Samples have single precision: in double precision a value could differ from an equal sample.
        single = values.astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            slack = np.clip((single - self._p95) / single, -1, 1)[scored]
        above, unused = (amounts[scored] for amounts in self._compare(single))
        return ResourceScores(
            relative_slack=float(np.nanmean(slack)),
            relative_slack_clipped_at_zero=float(np.nanmean(np.maximum(slack, 0))),
            absolute_slack=float(unused.mean()),
            time_above=float(above.mean()),
            days_mostly_above=float((above > MOSTLY_ABOVE).mean()),
            days_above=float((self._maximum > single)[scored].mean()),
            changes_per_day=float(changes[scored].mean()),
            container_days=int(scored.sum()),
        )

    def time_above(self, values: Values) -> Values:
        """The share of each evaluated day's samples above *values*; NaN for all other days."""
        return np.where(self._mask, self._compare(values.astype(np.float32))[0], np.nan)

    def exceeded(self, values: Values) -> Values:
        """1 for each evaluated day with a sample above *values*, else 0; NaN for all other days."""
        return np.where(self._mask, self._maximum > values.astype(np.float32), np.nan)

    def time_above_on(self, day: int, values: NDArray[np.float32]) -> Values:
        """The share of one day's samples above *values* [series]; NaN below `MIN_STEPS` covered steps."""
        return self._compare_day(day, values)[0]

    def _compare(self, values: NDArray[np.float32]) -> tuple[Values, Values]:
        """For each evaluated day the share of samples above *values*, and the mean unused amount."""
        above, unused = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
        for day in np.flatnonzero(self._mask.any(axis=0)).tolist():
            above[:, day], unused[:, day] = self._compare_day(day, values[:, day])
        return above, unused

    def _compare_day(self, day: int, values: NDArray[np.float32]) -> tuple[Values, Values]:
        above, unused = np.full(len(values), np.nan), np.full(len(values), np.nan)
        for series, samples in self._lanes.pools(slice(day, day + 1)):
            covered = np.flatnonzero(np.isfinite(samples).any(axis=1).sum(axis=1) >= MIN_STEPS)
            value, flat = values[series[covered], np.newaxis], pool_replicas(samples[covered])
            count = np.isfinite(flat).sum(axis=1)
            above[series[covered]] = (flat > value).sum(axis=1) / count
            unused[series[covered]] = np.nansum(np.maximum(value - flat, 0), axis=1) / count
        return above, unused


Scorers = Mapping[Resource, ResourceScorer]


def build_scorers(usage: Usage, mask: NDArray[np.bool_]) -> Scorers:
    """A scorer for each resource; *mask* [series, days] selects the evaluated days."""
    return {resource: ResourceScorer(lanes, mask) for resource, lanes in usage.lanes.items()}

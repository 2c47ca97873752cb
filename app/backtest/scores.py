"""Scores of values on past usage: slack (reserved and unused) and risk (usage above the value).

Relative slack is defined as in Autopilot: (value - P95 of the day's samples) / value, clipped to [-1, 1],
averaged over containers and days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import MIN_STEPS
from app.backtest.usage import Lanes, Usage, maximum, percentile, pool_replicas
from app.domain.profiles import Resource

MOSTLY_ABOVE = 0.2  # share of a day's samples
FAR_ABOVE = 1.1  # times the value
Values = NDArray[np.float64]  # [series, days], NaN where there is no value


@dataclass(frozen=True, slots=True)
class ResourceScores:
    """The scores of one resource, means over all evaluated days of all containers.

    Shares are in [0, 1]. `absolute_slack` is the unused part of the value and `overuse` the part of usage
    above it, in cores or bytes, both means over the day. `waste_share` and `overuse_share` are the sums of
    these as shares of all usage: a small container weighs little in them.
    """

    relative_slack: float
    relative_slack_clipped_at_zero: float
    absolute_slack: float
    overuse: float
    waste_share: float
    overuse_share: float
    time_above: float
    days_mostly_above: float
    days_below_half_of_p95: float
    days_above: float
    days_far_above: float  # by more than a tenth of the value
    containers_never_above: float  # share of the containers
    changes_per_day: float
    container_days: int


_UNKNOWN = float("nan")
NO_SCORES = ResourceScores(
    relative_slack=_UNKNOWN,
    relative_slack_clipped_at_zero=_UNKNOWN,
    absolute_slack=_UNKNOWN,
    overuse=_UNKNOWN,
    waste_share=_UNKNOWN,
    overuse_share=_UNKNOWN,
    time_above=_UNKNOWN,
    days_mostly_above=_UNKNOWN,
    days_below_half_of_p95=_UNKNOWN,
    days_above=_UNKNOWN,
    days_far_above=_UNKNOWN,
    containers_never_above=_UNKNOWN,
    changes_per_day=_UNKNOWN,
    container_days=0,
)


@dataclass(frozen=True, slots=True, eq=False)
class DayScores:
    """The scores of single days of containers: each array has one element for each scored day.

    `series` is the container. `unused` and `over` are in cores or bytes, means over the day. Relative slack
    is NaN where it is undefined.
    """

    series: NDArray[np.int64]
    relative_slack: Values
    used: Values
    unused: Values
    over: Values
    above: Values  # share of the day's samples
    is_above: NDArray[np.bool_]
    is_far_above: NDArray[np.bool_]
    is_below_half_of_p95: NDArray[np.bool_]
    changes: Values

    def __len__(self) -> int:
        return len(self.series)

    def of(self, series: NDArray[np.bool_]) -> "DayScores":
        """The days of the flagged series."""
        selected = series[self.series]
        return DayScores(*(getattr(self, field.name)[selected] for field in fields(self)))

    def mean(self) -> ResourceScores:
        """The means over all days, each of which weighs alike."""
        if np.isnan(self.relative_slack).all():
            return NO_SCORES
        above_by_series = np.bincount(self.series, self.is_above)[np.unique(self.series)]
        used = self.used.sum()
        return ResourceScores(
            relative_slack=float(np.nanmean(self.relative_slack)),
            relative_slack_clipped_at_zero=float(np.nanmean(np.maximum(self.relative_slack, 0))),
            absolute_slack=float(self.unused.mean()),
            overuse=float(self.over.mean()),
            waste_share=float(self.unused.sum() / used),
            overuse_share=float(self.over.sum() / used),
            time_above=float(self.above.mean()),
            days_mostly_above=float((self.above > MOSTLY_ABOVE).mean()),
            days_below_half_of_p95=float(self.is_below_half_of_p95.mean()),
            days_above=float(self.is_above.mean()),
            days_far_above=float(self.is_far_above.mean()),
            containers_never_above=float((above_by_series == 0).mean()),
            changes_per_day=float(self.changes.mean()),
            container_days=len(self),
        )


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Usage beside values, for each day: the share of samples above, and mean amounts unused and over."""

    above: Values
    unused: Values
    over: Values


class ResourceScorer:
    """Scores values of one resource; the statistics of the days are computed once for all policies."""

    def __init__(self, lanes: Lanes, mask: NDArray[np.bool_], min_steps: int = MIN_STEPS) -> None:
        self._lanes, self._mask, self._min_steps = lanes, mask, min_steps
        self._p95 = lanes.measure_by_day(lambda x: percentile(pool_replicas(x), 0.95))
        self._maximum = lanes.measure_by_day(lambda x: maximum(pool_replicas(x)))

    def scores(self, values: Values, changes: Values) -> ResourceScores:
        """The scores of *values*; *changes* is the number of changes of the value on each day."""
        return self.day_scores(values, changes).mean()

    def day_scores(self, values: Values, changes: Values) -> DayScores:
        """The scores of each evaluated day that has a value."""
        scored = self._mask & np.isfinite(values)
        # Samples have single precision: in double precision a value could differ from an equal sample.
        single = values.astype(np.float32)
        compared = self._compare(single)
        value, p95, highest = single[scored], self._p95[scored], self._maximum[scored]
        # Zero occurs only as a clairvoyant value; its relative slack is undefined.
        slack = np.full(len(value), np.nan)
        slack[value > 0] = np.clip(1 - p95[value > 0] / value[value > 0], -1, 1)
        unused, over = compared.unused[scored], compared.over[scored]
        return DayScores(
            series=np.nonzero(scored)[0],
            relative_slack=slack,
            used=values[scored] - unused + over,
            unused=unused,
            over=over,
            above=compared.above[scored],
            is_above=highest > value,
            is_far_above=highest > value * FAR_ABOVE,
            is_below_half_of_p95=value < p95 / 2,
            changes=changes[scored],
        )

    def time_above(self, values: Values) -> Values:
        """The share of each evaluated day's samples above *values*; NaN for all other days."""
        return np.where(self._mask, self._compare(values.astype(np.float32)).above, np.nan)

    def exceeded(self, values: Values) -> Values:
        """1 for each evaluated day with a sample above *values*, else 0; NaN for all other days."""
        return np.where(self._mask, self._maximum > values.astype(np.float32), np.nan)

    def time_above_on(self, day: int, values: NDArray[np.float32]) -> Values:
        """The share of one day's samples above *values* [series]; NaN below the least covered steps."""
        return self._compare_day(day, values).above

    def _compare(self, values: NDArray[np.float32]) -> _Comparison:
        """The comparison of *values* [series, days] with each evaluated day; NaN on others."""
        compared = _Comparison(*(np.full(values.shape, np.nan) for _ in range(3)))
        for day in np.flatnonzero(self._mask.any(axis=0)).tolist():
            of_day = self._compare_day(day, values[:, day])
            compared.above[:, day], compared.unused[:, day] = of_day.above, of_day.unused
            compared.over[:, day] = of_day.over
        return compared

    def _compare_day(self, day: int, values: NDArray[np.float32]) -> _Comparison:
        compared = _Comparison(*(np.full(len(values), np.nan) for _ in range(3)))
        for series, samples in self._lanes.pools(slice(day, day + 1)):
            covered = np.flatnonzero(np.isfinite(samples).any(axis=1).sum(axis=1) >= self._min_steps)
            value, flat = values[series[covered], np.newaxis], pool_replicas(samples[covered])
            count, unused = np.isfinite(flat).sum(axis=1), value - flat
            compared.above[series[covered]] = (flat > value).sum(axis=1) / count
            for amounts, sign in ((compared.unused, 1), (compared.over, -1)):
                total = np.nansum(np.maximum(sign * unused, 0), axis=1, dtype=np.float64)
                amounts[series[covered]] = total / count
        return compared


Scorers = Mapping[Resource, ResourceScorer]


def build_scorers(usage: Usage, mask: NDArray[np.bool_], min_steps: int = MIN_STEPS) -> Scorers:
    """A scorer for each resource; *mask* [series, days] selects the evaluated days."""
    return {resource: ResourceScorer(lanes, mask, min_steps) for resource, lanes in usage.lanes.items()}

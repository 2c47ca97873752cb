"""Scores of values on past usage: slack (reserved and unused) and risk (usage above the value).

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


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Usage beside values, for each day: the share of samples above, and mean amounts unused and over."""

    above: Values
    unused: Values
    over: Values


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
        compared = self._compare(single)
        above, unused, over = compared.above[scored], compared.unused[scored], compared.over[scored]
        used = (values[scored] - unused + over).sum()
        exceeded: NDArray[np.bool_] = scored & (self._maximum > single)
        is_never_above = ~exceeded[scored.any(axis=1)].any(axis=1)
        return ResourceScores(
            relative_slack=float(np.nanmean(slack)),
            relative_slack_clipped_at_zero=float(np.nanmean(np.maximum(slack, 0))),
            absolute_slack=float(unused.mean()),
            overuse=float(over.mean()),
            waste_share=float(unused.sum() / used),
            overuse_share=float(over.sum() / used),
            time_above=float(above.mean()),
            days_mostly_above=float((above > MOSTLY_ABOVE).mean()),
            days_below_half_of_p95=float((single[scored] < self._p95[scored] / 2).mean()),
            days_above=float(exceeded[scored].mean()),
            days_far_above=float((self._maximum[scored] > single[scored] * FAR_ABOVE).mean()),
            containers_never_above=float(is_never_above.mean()),
            changes_per_day=float(changes[scored].mean()),
            container_days=int(scored.sum()),
        )

    def time_above(self, values: Values) -> Values:
        """The share of each evaluated day's samples above *values*; NaN for all other days."""
        return np.where(self._mask, self._compare(values.astype(np.float32)).above, np.nan)

    def exceeded(self, values: Values) -> Values:
        """1 for each evaluated day with a sample above *values*, else 0; NaN for all other days."""
        return np.where(self._mask, self._maximum > values.astype(np.float32), np.nan)

    def time_above_on(self, day: int, values: NDArray[np.float32]) -> Values:
        """The share of one day's samples above *values* [series]; NaN below `MIN_STEPS` covered steps."""
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
            covered = np.flatnonzero(np.isfinite(samples).any(axis=1).sum(axis=1) >= MIN_STEPS)
            value, flat = values[series[covered], np.newaxis], pool_replicas(samples[covered])
            count, unused = np.isfinite(flat).sum(axis=1), value - flat
            compared.above[series[covered]] = (flat > value).sum(axis=1) / count
            for amounts, sign in ((compared.unused, 1), (compared.over, -1)):
                total = np.nansum(np.maximum(sign * unused, 0), axis=1, dtype=np.float64)
                amounts[series[covered]] = total / count
        return compared


Scorers = Mapping[Resource, ResourceScorer]


def build_scorers(usage: Usage, mask: NDArray[np.bool_]) -> Scorers:
    """A scorer for each resource; *mask* [series, days] selects the evaluated days."""
    return {resource: ResourceScorer(lanes, mask) for resource, lanes in usage.lanes.items()}

"""Replay of the profiler: values are chosen at each midnight, stabilized, and raised within the day.

At each moment the replay uses only the day summaries that the profiler would have at that moment.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import EvaluationPeriod
from app.backtest.stated_bounds import BoundRecord
from app.backtest.usage import Lanes
from app.history.grid import ExponentialGrid
from app.history.samples import HOURS_PER_DAY, STEPS_PER_DAY, STEPS_PER_HOUR
from app.recommendation.array_types import Float32Array
from app.recommendation.bands import LEVELS
from app.recommendation.choice import choose, exceeded_today, stabilize
from app.recommendation.cost import risk_of
from app.recommendation.day_quantiles import histogram_quantiles
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.policy import LEARNING_DAYS
from app.recommendation.rules import ResourceRule
from app.recommendation.stated_risk import exceedance_bound, expected_exceedance, worst_past_day

_CALIBRATING_DAYS = 3  # seen before a day whose outcome calibrates later bounds


@dataclass(frozen=True, slots=True)
class PartialDay:
    """A part of a day: its quantiles [series, levels] and its coverage of the whole day, `share` [series]."""

    quantiles: Float32Array
    share: Float32Array


class DayFeatures:
    """The summaries that the profiler keeps of each day of one resource, and those of a part of a day."""

    def __init__(self, lanes: Lanes, grid: ExponentialGrid) -> None:
        self._lanes, self._grid = lanes, grid
        self._buckets = np.empty(lanes.values.shape, dtype=np.int16)
        for day in range(lanes.values.shape[1]):  # all days at once need several times the memory
            samples = np.nan_to_num(lanes.values[:, day]).astype(np.float64)
            self._buckets[:, day] = grid.buckets(samples)
        self._present, self._starts = np.unique(lanes.owner, return_index=True)
        self._partial: dict[tuple[int, int], PartialDay] = {}
        whole_days = [self.between(day, 0, HOURS_PER_DAY) for day in range(lanes.values.shape[1])]
        self._quantiles = np.stack([day.quantiles for day in whole_days], axis=1)
        self._share = np.stack([day.share for day in whole_days], axis=1)

    @property
    def series(self) -> int:
        """Number of series."""
        return self._lanes.series

    def before(self, day: int, first_day: int = 0) -> DaySummaries:
        """The days before *day* that make a choice, followed by *day* itself without any coverage.

        Days before *first_day* are as if they had not been seen.
        """
        window = slice(max(first_day, day - LEARNING_DAYS), max(first_day, day))
        quantiles = np.zeros((self.series, LEARNING_DAYS + 1, len(LEVELS)), dtype=np.float32)
        share = np.zeros((self.series, LEARNING_DAYS + 1), dtype=np.float32)
        filled = slice(LEARNING_DAYS - (window.stop - window.start), LEARNING_DAYS)
        quantiles[:, filled], share[:, filled] = self._quantiles[:, window], self._share[:, window]
        return DaySummaries(quantiles, share)

    def until(self, day: int, hour: int) -> PartialDay:
        """The first *hour* hours of *day*."""
        if (day, hour) not in self._partial:
            self._partial[day, hour] = self.between(day, 0, hour)
        return self._partial[day, hour]

    def last_hours(self, day: int, hours: int) -> DaySummaries:
        """The days before *day*, limited to its last *hours* hours."""
        days = self.before(day)
        whole, rest = divmod(hours, HOURS_PER_DAY)
        first = LEARNING_DAYS - whole
        days.share[:, :first] = 0
        if rest:
            oldest = self.between(day - whole - 1, HOURS_PER_DAY - rest, HOURS_PER_DAY)
            days.quantiles[:, first - 1], days.share[:, first - 1] = oldest.quantiles, oldest.share
        return days

    def between(self, day: int, first_hour: int, last_hour: int) -> PartialDay:
        """The hours of *day* from *first_hour* to *last_hour*, from a histogram as in the profiler."""
        part = slice(first_hour * STEPS_PER_HOUR, last_hour * STEPS_PER_HOUR)
        values = self._lanes.values[:, day, part]
        has_sample = np.isfinite(values)
        maxima, share = np.zeros(self.series), np.zeros(self.series, dtype=np.float32)
        if len(self._present):
            highest = np.where(has_sample, values, 0).max(axis=1)
            maxima[self._present] = np.maximum.reduceat(highest, self._starts)
            covered = np.logical_or.reduceat(has_sample, self._starts, axis=0)
            share[self._present] = covered.sum(axis=1) / STEPS_PER_DAY
        rows = np.broadcast_to(self._lanes.owner[:, np.newaxis], has_sample.shape)[has_sample]
        buckets = self._buckets[:, day, part][has_sample].astype(np.int64)
        counts = np.ones(len(rows), dtype=np.uint32)
        quantiles, _ = histogram_quantiles(rows, buckets, counts, maxima, self._grid)
        return PartialDay(quantiles, share)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedValues:
    """The values at the start of each day, their changes during the day, and their stated risk.

    Arrays are [series, days]; `hourly` is [series, evaluated days, 24], the values at the start of each hour.
    `expected` is the share of the day's time above the value (CPU) or the chance that the day's maximum
    exceeds it (memory). `bounds` (CPU only) has the bound on that share that holds on nine of ten days.
    """

    values: NDArray[np.float64]
    changes: NDArray[np.float64]
    expected: NDArray[np.float64]
    bounds: BoundRecord
    hourly: Float32Array


TimeAbove = Callable[[int, Float32Array], NDArray[np.float64]]


def replay_profiler(
    features: DayFeatures,
    rule: ResourceRule,
    period: EvaluationPeriod,
    time_above: TimeAbove,
    on_day: Callable[[], None],
) -> PublishedValues:
    """The values that the profiler would have published up to the last evaluated day.

    *time_above* returns the share of a past day's time above values [series]. *on_day* is called once a day.
    """
    shape = features.series, period.last_day + 1
    bounds = BoundRecord.empty(*shape)
    hourly = np.full((shape[0], len(period.days), HOURS_PER_DAY), np.nan, dtype=np.float32)
    result = PublishedValues(np.full(shape, np.nan), np.zeros(shape), bounds.expected, bounds, hourly)
    current = np.full(shape[0], np.nan, dtype=np.float32)
    for day in range(1, shape[1]):
        days = features.before(day, period.first_learned_day)
        settled = _settle_at_midnight(current, days, rule)
        result.changes[:, day] += np.isfinite(current) & np.isfinite(settled) & (settled != current)
        result.values[:, day] = current = settled
        risk = risk_of(current, days, rule)
        result.expected[:, day] = expected_exceedance(risk, days.time_seen_days, rule)
        if not rule.by_maximum:
            unscaled = exceedance_bound(worst_past_day(current, days), days.time_seen_days, 1.0)
            bounds.unscaled[:, day] = unscaled
            is_known = days.time_seen_days >= _CALIBRATING_DAYS
            bounds.outcome[:, day] = np.where(is_known, time_above(day, current), np.nan)
        if day >= period.first_day:
            hours = (features.until(day, hour) for hour in range(1, HOURS_PER_DAY))
            by_hour = list(_raise_within_day(current, days, rule, hours))
            hourly[:, day - period.first_day] = np.stack(by_hour, axis=1)
            result.changes[:, day] += (np.diff(hourly[:, day - period.first_day], axis=1) > 0).sum(axis=1)
            current = by_hour[-1]
        on_day()
    return result


def _settle_at_midnight(current: Float32Array, days: DaySummaries, rule: ResourceRule) -> Float32Array:
    settled = stabilize(current, choose(days, rule), days, rule)
    return np.where(days.time_seen_days > 0, settled, np.nan).astype(np.float32)


def _raise_within_day(
    current: Float32Array, days: DaySummaries, rule: ResourceRule, hours: Iterable[PartialDay]
) -> Iterator[Float32Array]:
    """Yields the values at the start of each hour of the day, the first of which are *current*.

    Each hour, values that today's usage has outgrown may rise. *hours* yields the day's summary so far.
    """
    yield current
    raised = current
    for today in hours:
        raised = raised.copy()
        is_outgrown = exceeded_today(raised, today.quantiles, today.share, rule) & np.isfinite(raised)
        series = np.flatnonzero(is_outgrown)
        if len(series):
            summaries = with_today(days[series], today, series)
            settled = stabilize(raised[series], choose(summaries, rule), summaries, rule)
            raised[series] = np.maximum(settled, raised[series])
        yield raised


def with_today(days: DaySummaries, today: PartialDay, series: NDArray[np.int64]) -> DaySummaries:
    """The *days* of *series*, with *today* so far as the last one."""
    quantiles, share = days.quantiles.copy(), days.share.copy()
    quantiles[:, -1], share[:, -1] = today.quantiles[series], today.share[series]
    return DaySummaries(quantiles, share)

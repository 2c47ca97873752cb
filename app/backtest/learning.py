"""Our own values, published as the profiler would: chosen at each midnight, raised within the day.

What is known at a moment is what the profiler keeps of the days by then; a value moves only where that pays.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.backtest.protocol import WINDOW_DAYS, EvaluationPeriod
from app.backtest.usage import Lanes
from app.history.grid import ExponentialGrid
from app.history.samples import STEPS_PER_DAY
from app.recommendation.candidates import candidate_values
from app.recommendation.choice import Choice, cheapest, choose, outgrown, risk_of, settle
from app.recommendation.cost import PricedCandidates, priced
from app.recommendation.day_quantiles import histogram_quantiles
from app.recommendation.day_summaries import DaySummaries, Floats
from app.recommendation.rules import LEVELS, ResourceRule
from app.recommendation.stated_risk import (
    BOUND_SCALE,
    at_most_above,
    conformal_scale,
    expected_above,
    worst_past_day,
)

_HOURS = 24
_STEPS_PER_HOUR = STEPS_PER_DAY // _HOURS
_RECORD_DAYS = 7  # of past statements correct the next ones


@dataclass(frozen=True, slots=True)
class PartialDay:
    """What was seen of one day: quantiles [series, levels] and share [series]."""

    quantiles: Floats
    share: Floats


class DayFeatures:
    """What the profiler keeps of each day of one resource, and of each day as far as it went."""

    def __init__(self, lanes: Lanes, grid: ExponentialGrid) -> None:
        self._lanes, self._grid = lanes, grid
        self._buckets = np.empty(lanes.values.shape, dtype=np.int16)
        for day in range(lanes.values.shape[1]):  # at once they would need several times the memory
            samples = np.nan_to_num(lanes.values[:, day]).astype(np.float64)
            self._buckets[:, day] = grid.buckets(samples)
        self._present, self._starts = np.unique(lanes.owner, return_index=True)
        self._partial: dict[tuple[int, int], PartialDay] = {}
        closed = [self.between(day, 0, _HOURS) for day in range(lanes.values.shape[1])]
        self._quantiles = np.stack([each.quantiles for each in closed], axis=1)
        self._share = np.stack([each.share for each in closed], axis=1)

    @property
    def series(self) -> int:
        """How many there are."""
        return self._lanes.series

    def before(self, day: int) -> DaySummaries:
        """The window before *day*, and a *day* of which nothing was seen."""
        window = EvaluationPeriod.window(day)
        quantiles = np.zeros((self.series, WINDOW_DAYS + 1, len(LEVELS)), dtype=np.float32)
        share = np.zeros((self.series, WINDOW_DAYS + 1), dtype=np.float32)
        place = slice(WINDOW_DAYS - (window.stop - window.start), WINDOW_DAYS)
        quantiles[:, place], share[:, place] = self._quantiles[:, window], self._share[:, window]
        return DaySummaries(quantiles, share)

    def until(self, day: int, hour: int) -> PartialDay:
        """*day* as far as it was seen after *hour* hours."""
        if (day, hour) not in self._partial:
            self._partial[day, hour] = self.between(day, 0, hour)
        return self._partial[day, hour]

    def last(self, day: int, hours: int) -> DaySummaries:
        """The window before *day* as if everybody had been there for just so many hours."""
        days = self.before(day)
        whole, rest = divmod(hours, _HOURS)
        first = WINDOW_DAYS - whole
        days.share[:, :first] = 0
        if rest:
            seen = self.between(day - whole - 1, _HOURS - rest, _HOURS)
            days.quantiles[:, first - 1], days.share[:, first - 1] = seen.quantiles, seen.share
        return days

    def between(self, day: int, first_hour: int, last_hour: int) -> PartialDay:
        """A part of *day*, from a histogram, as the profiler reads it."""
        part = slice(first_hour * _STEPS_PER_HOUR, last_hour * _STEPS_PER_HOUR)
        values = self._lanes.values[:, day, part]
        known = np.isfinite(values)
        maxima, share = np.zeros(self.series), np.zeros(self.series, dtype=np.float32)
        if len(self._present):
            highest = np.where(known, values, 0).max(axis=1)
            maxima[self._present] = np.maximum.reduceat(highest, self._starts)
            seen = np.logical_or.reduceat(known, self._starts, axis=0)
            share[self._present] = seen.sum(axis=1) / STEPS_PER_DAY
        rows = np.broadcast_to(self._lanes.owner[:, np.newaxis], known.shape)[known]
        buckets = self._buckets[:, day, part][known].astype(np.int64)
        counts = np.ones(len(rows), dtype=np.uint32)
        quantiles, _ = histogram_quantiles(rows, buckets, counts, maxima, self._grid)
        return PartialDay(quantiles, share)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedValues:
    """The values at the begin of each day [series, days], how often they moved, and what was stated of them.

    `expected` is the share of the day's time above the value (CPU) or the chance of exceeding it (memory);
    `at_most` is the share that nine days of ten keep to, of CPU alone.
    """

    values: NDArray[np.float64]
    changes: NDArray[np.float64]
    expected: NDArray[np.float64]
    at_most: NDArray[np.float64]


@dataclass(slots=True)
class _Record:
    """What past statements came to, the newest last."""

    outcomes: list[Floats] = field(default_factory=list)
    unscaled: list[Floats] = field(default_factory=list)

    def scale(self) -> float:
        recent = slice(-_RECORD_DAYS, None)
        if not self.outcomes:
            return BOUND_SCALE
        return conformal_scale(np.concatenate(self.outcomes[recent]), np.concatenate(self.unscaled[recent]))


TimeAbove = Callable[[int, Floats], NDArray[np.float64]]


def published(
    features: DayFeatures,
    rule: ResourceRule,
    protocol: EvaluationPeriod,
    above: TimeAbove,
    tell: Callable[[], None],
) -> PublishedValues:
    """Replay the profiler up to the last judged day; *tell* is called for each day.

    *above* gives the share of a day's time above some values [series], once that day is over.
    """
    shape = features.series, protocol.last_day + 1
    result = PublishedValues(
        np.full(shape, np.nan), np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    )
    current, record = np.full(shape[0], np.nan, dtype=np.float32), _Record()
    for day in range(1, shape[1]):
        days = features.before(day)
        settled = _at_midnight(current, days, rule)
        result.changes[:, day] += np.isfinite(current) & (settled != current)
        result.values[:, day] = current = settled
        risk = risk_of(current, days, rule)
        result.expected[:, day] = expected_above(risk, days.length, rule)
        if not rule.by_maximum:
            unscaled = at_most_above(worst_past_day(current, days), days.length, 1.0)
            bound = np.minimum(unscaled * record.scale(), 1)
            result.at_most[:, day] = np.maximum(bound, result.expected[:, day])
            _note(record, above(day, current), unscaled, days)
        if day >= protocol.first_day:
            hours = ((hour / _HOURS, features.until(day, hour)) for hour in range(1, _HOURS))
            current, raises = _through_the_day(current, risk, days, rule, hours)
            result.changes[:, day] += raises
        tell()
    return result


def _at_midnight(current: Floats, days: DaySummaries, rule: ResourceRule) -> Floats:
    settled = settle(current, choose(days, rule), days, rule, elapsed=0.0)
    return np.where(days.length > 0, settled, np.nan).astype(np.float32)


def _through_the_day(
    current: Floats,
    risk: Floats,
    days: DaySummaries,
    rule: ResourceRule,
    hours: Iterable[tuple[float, PartialDay]],
) -> tuple[Floats, NDArray[np.int64]]:
    """What the values are at its end, and how often each rose: each hour those that are outgrown may.

    *hours* tells how much of the day has passed, and what was seen of it by then.
    """
    raised, times = current.copy(), np.zeros(len(current), dtype=np.int64)
    for elapsed, seen in hours:
        over = outgrown(raised, risk, seen.quantiles, seen.share, rule) & np.isfinite(raised)
        chosen = np.flatnonzero(over)
        if not len(chosen):
            continue
        known = _with_today(days, seen, chosen)
        new = settle(raised[chosen], choose(known, rule, elapsed=elapsed), known, rule, elapsed=elapsed)
        new = np.maximum(new, raised[chosen])
        times[chosen] += new != raised[chosen]
        raised[chosen] = new
    return raised, times


def _with_today(days: DaySummaries, seen: PartialDay, series: NDArray[np.int64]) -> DaySummaries:
    quantiles, share = days.quantiles[series], days.share[series]
    quantiles[:, -1], share[:, -1] = seen.quantiles[series], seen.share[series]
    return DaySummaries(quantiles, share)


def _note(record: _Record, above: NDArray[np.float64], unscaled: Floats, days: DaySummaries) -> None:
    """Remember what came of the statements that rest on three days or more."""
    counted = np.isfinite(above) & (days.length >= 3)
    record.outcomes.append(above[counted].astype(np.float32))
    record.unscaled.append(unscaled[counted])


def at_prices(
    features: DayFeatures, rule_at: Mapping[float, ResourceRule], protocol: EvaluationPeriod
) -> dict[float, NDArray[np.float64]]:
    """The raw choice at each midnight, before any old value counts, at several prices of risk."""
    shape = features.series, protocol.last_day + 1
    values = {price: np.full(shape, np.nan) for price in rule_at}
    for day in protocol.judged_days:
        days = features.before(day)
        any_rule = next(iter(rule_at.values()))
        candidates: PricedCandidates = priced(candidate_values(days, any_rule), days, any_rule, elapsed=0.0)
        for price, rule in rule_at.items():
            choice: Choice = cheapest(candidates, days, rule)
            values[price][:, day] = np.where(days.length > 0, choice.value, np.nan)
    return values

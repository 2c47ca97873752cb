"""Alternatives to the rule of the choice, on recorded usage: `make bench-alternatives HISTORY=FILE.npz`.

Each alternative is compared with the rule at the same risk. The difference is its slack minus the slack of
the rule's frontier (negative is better; .002 is noise). All values are choices at midnight, without
stabilization.

- another half-life for all series;
- the half-life with the smallest past error of each series: the cost of the values on past days, with a
  half-life of a week;
- a trend: the value times e^slope, with the Theil-Sen slope of a week's logarithms, if it is positive;
- time slots: each candidate is the largest of four slots' candidates instead of the day's.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.backtest.learning import DayFeatures
from app.backtest.protocol import WINDOW_DAYS, EvaluationPeriod, evaluation_mask
from app.backtest.scores import ResourceScorer, build_scorers
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.array_types import Float32Array, Float64Array
from app.recommendation.candidates import candidate_values, little_history_raise
from app.recommendation.cost import chance_above, maximum_width, price_values, time_above
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.rules import LEVELS, MAXIMUM, P95, ResourceRule, rules_at
from benchmarks.accuracy import read_past

PRICES: Mapping[Resource, Sequence[float]] = {
    Resource.CPU: (5, 6, 7.7, 10, 13),
    Resource.MEMORY: (1.5, 1.8, 2.1, 2.5, 3.2),
}
HALF_LIVES = (1.0, 4.0)  # the rule has 2 days
_SLOTS = 4
_ERROR_HALF_LIFE_DAYS = 7
_TREND_DAYS, _MAX_TREND = 7, 0.1
_MIN_SHARE = 0.3  # coverage of a day below which its error does not count

Values = dict[float, NDArray[np.float64]]  # by price: [series, days]
Choose = Callable[[int, ResourceRule], Float64Array]


@dataclass(frozen=True, slots=True)
class _Past:
    """The usage of one resource, with its scorer and rule."""

    features: DayFeatures
    scorer: ResourceScorer
    rule: ResourceRule
    days: int

    @property
    def prices(self) -> Sequence[float]:
        """The prices of risk."""
        return PRICES[Resource.MEMORY if self.rule.by_maximum else Resource.CPU]

    def values(self, choose: Choose) -> Values:
        """The values that *choose* returns at the midnight before each day."""
        values = {price: np.full((self.features.series, self.days), np.nan) for price in self.prices}
        for day in range(1, self.days):
            has_history = self.features.before(day).time_seen_days > 0
            for price in self.prices:
                chosen = choose(day, replace(self.rule, price=price))
                values[price][:, day] = np.where(has_history, chosen, np.nan)
        return values

    def scores(self, values: Values) -> list[tuple[float, float]]:
        """Risk and slack at each price."""
        scores = [self.scorer.scores(amounts, np.zeros(amounts.shape)) for amounts in values.values()]
        if self.rule.by_maximum:
            return [(score.days_above, score.relative_slack) for score in scores]
        return [(score.time_above, score.relative_slack) for score in scores]

    def cost(self, day: int, values: NDArray[np.float64], price: float) -> NDArray[np.float64]:
        """The cost of *values* [n] on *day*; NaN below a coverage of `_MIN_SHARE`."""
        after = self.features.before(day + 1)
        quantiles, share = after.quantiles[:, -2], after.share[:, -2]
        column = values[:, np.newaxis].astype(np.float32)
        slack = np.clip(1 - quantiles[:, P95, np.newaxis] / column, 0 if self.rule.by_maximum else -1, 1)
        if self.rule.by_maximum:
            width = maximum_width(self.features.before(day), self.rule)
            risk = chance_above(column, quantiles[:, MAXIMUM], width, self.rule)
        else:
            risk = time_above(column, quantiles)
        cost: NDArray[np.float64] = np.where(share > _MIN_SHARE, (slack + price * risk)[:, 0], np.nan)
        return cost


def by_days(past: _Past, half_life_days: float | None = None) -> Choose:
    """The rule with its own half-life or another one."""

    def choose(day: int, rule: ResourceRule) -> Float64Array:
        days = past.features.before(day)
        changed_rule = replace(rule, half_life_days=half_life_days or rule.half_life_days)
        return cheapest_of(candidate_values(days, rule), days, changed_rule)

    return choose


def by_slots(past: _Past) -> Choose:
    """Each candidate is the largest of the candidates of four time slots."""

    def choose(day: int, rule: ResourceRule) -> Float64Array:
        slot_candidates = [candidate_values(slot_before(past, day, slot), rule) for slot in range(_SLOTS)]
        return cheapest_of(np.max(np.stack(slot_candidates), axis=0), past.features.before(day), rule)

    return choose


def by_trend(past: _Past) -> Choose:
    """The rule's value, raised by the trend of the last days."""
    choose_by_rule = by_days(past)

    def choose(day: int, rule: ResourceRule) -> Float64Array:
        slope = slope_of(past.features.before(day), MAXIMUM if rule.by_maximum else P95)
        raised: Float64Array = choose_by_rule(day, rule) * np.exp(np.clip(slope, 0, _MAX_TREND))
        return raised

    return choose


def cheapest_of(candidates: Float32Array, days: DaySummaries, rule: ResourceRule) -> Float64Array:
    """The cheapest candidate, raised for little history, [n]."""
    cost = price_values(candidates, days, rule, elapsed=0.0).cost(rule)
    values = candidates[np.arange(len(days)), cost.argmin(axis=1)].astype(np.float64)
    chosen: Float64Array = values * (1 + little_history_raise(days, rule))
    return chosen


def slot_before(past: _Past, day: int, slot: int) -> DaySummaries:
    """The window before *day* of one time slot."""
    hours = 24 // _SLOTS
    shape = past.features.series, WINDOW_DAYS + 1
    quantiles = np.zeros((*shape, len(LEVELS)), dtype=np.float32)
    share = np.zeros(shape, dtype=np.float32)
    window = EvaluationPeriod.window(day)
    first = WINDOW_DAYS - (window.stop - window.start)
    for position, window_day in enumerate(range(window.start, window.stop), first):
        part = past.features.between(window_day, slot * hours, (slot + 1) * hours)
        quantiles[:, position], share[:, position] = part.quantiles, part.share
    return DaySummaries(quantiles, share)


def slope_of(days: DaySummaries, level: int) -> NDArray[np.float64]:
    """The median slope between any two of the last days' quantiles, in log units per day, [n]."""
    last = slice(WINDOW_DAYS - _TREND_DAYS, WINDOW_DAYS)
    logarithms = np.log(np.maximum(days.quantiles[:, last, level], 1e-9))
    covered = np.where(days.share[:, last] > 0, logarithms, np.nan)
    pairs = combinations(range(_TREND_DAYS), 2)
    slopes = np.stack([(covered[:, b] - covered[:, a]) / (b - a) for a, b in pairs], axis=1)
    has_slope, median_slopes = np.isfinite(slopes).any(axis=1), np.zeros(len(days))
    median_slopes[has_slope] = np.nanmedian(slopes[has_slope], axis=1)
    return median_slopes


def by_past_error(past: _Past, choices: Sequence[Values]) -> Values:
    """For each series and day, the choice with the smallest past error; the first one if equal."""
    selected: Values = {}
    for price in past.prices:
        stacked = np.stack([values[price] for values in choices], axis=1)
        series, count, days = stacked.shape
        chosen, errors = np.full((series, days), np.nan), np.zeros((series, count))
        for day in range(1, days):
            chosen[:, day] = stacked[np.arange(series), errors.argmin(axis=1), day]
            costs = np.stack([past.cost(day, stacked[:, i, day], price) for i in range(count)], axis=1)
            has_cost = np.isfinite(costs).all(axis=1)
            errors[has_cost] = errors[has_cost] * 2 ** (-1 / _ERROR_HALF_LIFE_DAYS) + costs[has_cost]
        selected[price] = chosen
    return selected


def alternatives(past: _Past) -> Iterator[tuple[str, Values]]:
    """Yields name and values of the rule, then of each alternative."""
    rule_values = past.values(by_days(past))
    yield "the rule", rule_values
    half_life_values = [past.values(by_days(past, half_life)) for half_life in HALF_LIVES]
    for half_life, values in zip(HALF_LIVES, half_life_values, strict=True):
        yield f"half-life {half_life:g} days for all", values
    yield "half-life by its own past error", by_past_error(past, [rule_values, *half_life_values])
    for name, choose in (("trend", by_trend(past)), ("slots", by_slots(past))):
        values = past.values(choose)
        yield f"{name} for all", values
        yield f"{name} by its own past error", by_past_error(past, [rule_values, values])


def differences(past: _Past) -> Iterator[tuple[str, list[float]]]:
    """Prints risk, slack and difference of each alternative at each price; yields the differences."""
    frontier: list[tuple[float, float]] = []
    for name, values in alternatives(past):
        scores = past.scores(values)
        frontier = frontier or sorted(scores)
        changes = [slack - slack_at(risk, frontier) for risk, slack in scores]
        cells = (
            f"{risk:7.2%} {slack:.3f} {change:+.3f}"
            for (risk, slack), change in zip(scores, changes, strict=True)
        )
        print(f"{name:32}" + " ".join(cells), flush=True)
        yield name, changes


def slack_at(risk: float, frontier: Sequence[tuple[float, float]]) -> float:
    """The slack of *frontier* at *risk*, interpolated; NaN outside."""
    risks, slacks = ([point[axis] for point in frontier] for axis in range(2))
    return float(np.interp(np.array([risk]), risks, slacks, left=np.nan, right=np.nan)[0])


def main() -> None:
    """Prints all scores of both resources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    usage, period = asyncio.run(read_past(parser.parse_args().history))
    usage = usage.first_days(period.last_day + 1)
    scorers, best = build_scorers(usage, evaluation_mask(usage, period)), []
    for resource, rule in rules_at(RiskLevel.NORMAL).items():
        features = DayFeatures(usage.lanes[resource], GRIDS[resource])
        past = _Past(features, scorers[resource], rule, period.last_day + 1)
        print(f"\n{resource.value}: risk, slack and difference at prices {PRICES[resource]}")
        mean = {name: float(np.nanmean(changes)) for name, changes in differences(past)}
        least = min(mean, key=lambda name: mean[name])
        best.append(f"{resource.value} {mean[least]:+.4f} ({least})")
    print(f"\nbest alternative by difference of slack at the same risk: {', '.join(best)}")


if __name__ == "__main__":
    main()

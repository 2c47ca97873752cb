"""What else a choice could rest on, on recorded usage: `make bench-alternatives HISTORY=FILE.npz`.

Each alternative stands beside the rule at the same risk: the slack that it leaves, less what the rule's
frontier leaves there (below 0 it is better; .002 is noise). All are raw choices at midnight, before any old
value counts.

- another half-life, of all series;
- the half-life that each series chooses by its own past error: what the values of the past days came to cost,
  a week ago half as much;
- a trend: the value times e^slope, of Theil and Sen's slope of a week's logarithms, where it rises;
- time slots: candidates that are the largest of four slots' own candidates, in place of the day's.
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
from app.backtest.protocol import WINDOW_DAYS, EvaluationPeriod, judged
from app.backtest.scores import DayFacts, facts_of
from app.domain.profiles import Resource, RiskLevel
from app.history.grid import GRIDS
from app.recommendation.candidates import candidate_values, little_history
from app.recommendation.cost import chance_above, priced, straying_width, time_above
from app.recommendation.day_summaries import Amounts, DaySummaries, Floats
from app.recommendation.rules import LEVELS, MAXIMUM, P95, ResourceRule, rules_at
from benchmarks.accuracy import past_of

PRICES: Mapping[Resource, Sequence[float]] = {
    Resource.CPU: (5, 6, 7.7, 10, 13),
    Resource.MEMORY: (1.5, 1.8, 2.1, 2.5, 3.2),
}
HALF_LIVES = (1.0, 4.0)  # beside the rule's own
_SLOTS = 4
_ERROR_HALF_LIFE_DAYS = 7
_TREND_DAYS, _MOST_TREND = 7, 0.1
_LEAST_SHARE = 0.3  # of a day that tells an error

Values = dict[float, NDArray[np.float64]]  # by price: [series, days]
Choose = Callable[[int, ResourceRule], Amounts]


@dataclass(frozen=True, slots=True)
class _Past:
    """One resource's usage, and how values on it would have held."""

    features: DayFeatures
    facts: DayFacts
    rule: ResourceRule
    days: int

    @property
    def prices(self) -> Sequence[float]:
        """Those of risk, at each of which everything is chosen."""
        return PRICES[Resource.MEMORY if self.rule.by_maximum else Resource.CPU]

    def values(self, choose: Choose) -> Values:
        """What *choose* gives at the midnight before each day."""
        found = {price: np.full((self.features.series, self.days), np.nan) for price in self.prices}
        for day in range(1, self.days):
            known = self.features.before(day).length > 0
            for price in self.prices:
                found[price][:, day] = np.where(known, choose(day, replace(self.rule, price=price)), np.nan)
        return found

    def scores(self, values: Values) -> list[tuple[float, float]]:
        """The risk that was taken and the slack that was left, at each price."""
        scores = [self.facts.scores(each, np.zeros(each.shape)) for each in values.values()]
        if self.rule.by_maximum:
            return [(each.days_above, each.relative_slack) for each in scores]
        return [(each.time_above, each.relative_slack) for each in scores]

    def cost(self, day: int, values: NDArray[np.float64], price: float) -> NDArray[np.float64]:
        """What *values* [n] came to on *day*; NaN where little of it was seen."""
        after = self.features.before(day + 1)
        quantiles, share = after.quantiles[:, -2], after.share[:, -2]
        held = values[:, np.newaxis].astype(np.float32)
        slack = np.clip(1 - quantiles[:, P95, np.newaxis] / held, 0 if self.rule.by_maximum else -1, 1)
        if self.rule.by_maximum:
            width = straying_width(self.features.before(day), self.rule)
            risk = chance_above(held, quantiles[:, MAXIMUM], width, self.rule)
        else:
            risk = time_above(held, quantiles)
        cost: NDArray[np.float64] = np.where(share > _LEAST_SHARE, (slack + price * risk)[:, 0], np.nan)
        return cost


def by_days(past: _Past, half_life_days: float | None = None) -> Choose:
    """The rule itself, or with another half-life."""

    def choose(day: int, rule: ResourceRule) -> Amounts:
        days = past.features.before(day)
        other = replace(rule, half_life_days=half_life_days or rule.half_life_days)
        return cheapest_of(candidate_values(days, rule), days, other)

    return choose


def by_slots(past: _Past) -> Choose:
    """Each candidate is the largest of what the four slots of a day give."""

    def choose(day: int, rule: ResourceRule) -> Amounts:
        of_slots = [candidate_values(slot_before(past, day, slot), rule) for slot in range(_SLOTS)]
        return cheapest_of(np.max(np.stack(of_slots), axis=0), past.features.before(day), rule)

    return choose


def by_trend(past: _Past) -> Choose:
    """The rule's value, raised as far as the last days rose."""
    of_rule = by_days(past)

    def choose(day: int, rule: ResourceRule) -> Amounts:
        slope = slope_of(past.features.before(day), MAXIMUM if rule.by_maximum else P95)
        raised: Amounts = of_rule(day, rule) * np.exp(np.clip(slope, 0, _MOST_TREND))
        return raised

    return choose


def cheapest_of(candidates: Floats, days: DaySummaries, rule: ResourceRule) -> Amounts:
    """The candidate that would have cost least, raised for little history, [n]."""
    cost = priced(candidates, days, rule, elapsed=0.0).cost(rule)
    values = candidates[np.arange(len(days)), cost.argmin(axis=1)].astype(np.float64)
    chosen: Amounts = values * (1 + little_history(days, rule))
    return chosen


def slot_before(past: _Past, day: int, slot: int) -> DaySummaries:
    """The window before *day*, of one slot of each day."""
    hours = 24 // _SLOTS
    shape = past.features.series, WINDOW_DAYS + 1
    quantiles = np.zeros((*shape, len(LEVELS)), dtype=np.float32)
    share = np.zeros(shape, dtype=np.float32)
    window = EvaluationPeriod.window(day)
    for place, of_day in enumerate(
        range(window.start, window.stop), WINDOW_DAYS - (window.stop - window.start)
    ):
        seen = past.features.between(of_day, slot * hours, (slot + 1) * hours)
        quantiles[:, place], share[:, place] = seen.quantiles, seen.share
    return DaySummaries(quantiles, share)


def slope_of(days: DaySummaries, level: int) -> NDArray[np.float64]:
    """The median slope between any two of the last days' quantiles, in logarithms a day, [n]."""
    last = slice(WINDOW_DAYS - _TREND_DAYS, WINDOW_DAYS)
    logarithms = np.log(np.maximum(days.quantiles[:, last, level], 1e-9))
    known = np.where(days.share[:, last] > 0, logarithms, np.nan)
    pairs = combinations(range(_TREND_DAYS), 2)
    slopes = np.stack([(known[:, b] - known[:, a]) / (b - a) for a, b in pairs], axis=1)
    told, found = np.isfinite(slopes).any(axis=1), np.zeros(len(days))
    found[told] = np.nanmedian(slopes[told], axis=1)
    return found


def by_past_error(past: _Past, choices: Sequence[Values]) -> Values:
    """Of *choices* the one that came to least so far, for each series and day; the first of equals."""
    found: Values = {}
    for price in past.prices:
        of_each = np.stack([values[price] for values in choices], axis=1)
        series, count, days = of_each.shape
        chosen, errors = np.full((series, days), np.nan), np.zeros((series, count))
        for day in range(1, days):
            chosen[:, day] = of_each[np.arange(series), errors.argmin(axis=1), day]
            costs = np.stack([past.cost(day, of_each[:, one, day], price) for one in range(count)], axis=1)
            told = np.isfinite(costs).all(axis=1)
            errors[told] = errors[told] * 2 ** (-1 / _ERROR_HALF_LIFE_DAYS) + costs[told]
        found[price] = chosen
    return found


def alternatives(past: _Past) -> Iterator[tuple[str, Values]]:
    """The rule's own values first."""
    of_rule = past.values(by_days(past))
    yield "the rule", of_rule
    of_half_lives = [past.values(by_days(past, half_life)) for half_life in HALF_LIVES]
    for half_life, values in zip(HALF_LIVES, of_half_lives, strict=True):
        yield f"half-life {half_life:g} days for all", values
    yield "half-life by its own past error", by_past_error(past, [of_rule, *of_half_lives])
    for name, choose in (("trend", by_trend(past)), ("slots", by_slots(past))):
        values = past.values(choose)
        yield f"{name} for all", values
        yield f"{name} by its own past error", by_past_error(past, [of_rule, values])


def differences(past: _Past) -> Iterator[tuple[str, list[float]]]:
    """Prints risk, slack and difference of each alternative at each price; gives the differences."""
    frontier: list[tuple[float, float]] = []
    for name, values in alternatives(past):
        scores = past.scores(values)
        frontier = frontier or sorted(scores)
        found = [slack - slack_at(risk, frontier) for risk, slack in scores]
        cells = (
            f"{risk:7.2%} {slack:.3f} {by:+.3f}" for (risk, slack), by in zip(scores, found, strict=True)
        )
        print(f"{name:32}" + " ".join(cells), flush=True)
        yield name, found


def slack_at(risk: float, frontier: Sequence[tuple[float, float]]) -> float:
    """Linear between the points of *frontier*; NaN beyond its ends."""
    risks, slacks = ([point[place] for point in frontier] for place in range(2))
    return float(np.interp(np.array([risk]), risks, slacks, left=np.nan, right=np.nan)[0])


def main() -> None:
    """Print all figures of both resources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    usage, protocol = asyncio.run(past_of(parser.parse_args().history))
    usage = usage.first(protocol.last_day + 1)
    facts, best = facts_of(usage, judged(usage, protocol)), []
    for resource, rule in rules_at(RiskLevel.NORMAL).items():
        features = DayFeatures(usage.lanes[resource], GRIDS[resource])
        past = _Past(features, facts[resource], rule, protocol.last_day + 1)
        print(f"\n{resource.value}: risk, slack and difference at prices {PRICES[resource]}")
        mean = {name: float(np.nanmean(found)) for name, found in differences(past)}
        least = min(mean, key=lambda name: mean[name])
        best.append(f"{resource.value} {mean[least]:+.4f} ({least})")
    print(f"\nleast slack at the same risk, beside the rule's: {', '.join(best)}")


if __name__ == "__main__":
    main()

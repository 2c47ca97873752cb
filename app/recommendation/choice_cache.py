"""Cache of the choices for every series of one resource, derived from the days alone and never stored.

A choice on closed days is valid until another day closes. For a series with a short history (less than one
day of time seen before today) today counts too. If the same container of the same workload has a longer
history in other namespaces, a series with a short history takes at least the median of these siblings.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from app.history.padding import pad
from app.recommendation.array_types import Float64Array, Int64Array
from app.recommendation.choice import choose_at
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.rules import ResourceRule

_SERIES_AT_ONCE = 1000  # series that are chosen for in one go: about 10 MB


class ChoiceCache:
    """The choices of one resource, made on request at the price of each risk level, in *prices*.

    `levels` has the number of each series' own level.
    """

    def __init__(self, summaries: DaySummaryCache, prices: Sequence[float]) -> None:
        self._summaries, self.prices = summaries, prices
        self.levels: Int64Array = np.empty(0, dtype=np.int64)
        self._version: tuple[int, ResourceRule] | None = None
        self.at_prices = np.empty((0, len(prices)))  # [series, prices]; NaN without a choice
        self.sibling_count = np.empty(0, dtype=np.int64)  # siblings whose median is the value; 0 if it is not
        self.has_short_history = np.empty(0, dtype=np.bool_)

    def value(self, series: Int64Array) -> Float64Array:
        """The choice for each of *series* at its own level, [n]; NaN without a choice."""
        value: Float64Array = self.at_prices[series, self.levels[series]]
        return value

    def price(self, series: Int64Array) -> Float64Array:
        """The price of each of *series* at its own level, [n]."""
        return np.array(self.prices)[self.levels[series]]

    def refresh(self, rule: ResourceRule, levels: Int64Array) -> bool:
        """Drop the choices that are no longer valid; True if all were dropped. *levels* are the new ones."""
        self.levels = levels
        version, size = (self._summaries.closed_version, rule), self._summaries.size
        is_valid = version == self._version and size >= len(self.at_prices)
        self._version, self._rule, kept = version, rule, slice(None if is_valid else 0)
        self.at_prices = pad(self.at_prices[kept], size, np.nan)
        self.sibling_count = pad(self.sibling_count[kept], size, 0)
        self.has_short_history = self._summaries.closed_time_seen_days() < 1
        self.at_prices[self.has_short_history] = np.nan
        return not is_valid

    def days(self, series: Int64Array) -> DaySummaries:
        """The days on which the choices of *series* are made; today is blank unless the history is short."""
        return self._summaries.days(series, self.has_short_history[series])

    def choose_missing(self, series: Int64Array, groups: Int64Array) -> None:
        """Make the missing choices of *series*; *groups* are the sibling groups of all series."""
        missing = series[np.isnan(self.value(series))]
        short = missing[self.has_short_history[missing]]
        siblings = short
        if len(short):
            siblings = np.flatnonzero(~self.has_short_history & np.isin(groups, groups[short]))
        for block in split_blocks(np.union1d(missing, siblings[np.isnan(self.value(siblings))])):
            self._choose(block)
        self._apply_sibling_medians(short, siblings, groups)

    def _choose(self, series: Int64Array) -> None:
        self.at_prices[series] = choose_at(self.days(series), self._rule, self.prices)

    def _apply_sibling_medians(self, short: Int64Array, siblings: Int64Array, groups: Int64Array) -> None:
        """Raise *short* series to the median of their *siblings*; without siblings a value is unchanged."""
        self.sibling_count[short] = 0
        for group in np.unique(groups[short][np.isin(groups[short], groups[siblings])]):
            sibling_choices = self.at_prices[siblings[groups[siblings] == group]]
            own, medians = short[groups[short] == group], np.median(sibling_choices, axis=0)
            self.sibling_count[own[self.value(own) < medians[self.levels[own]]]] = len(sibling_choices)
            self.at_prices[own] = np.maximum(self.at_prices[own], medians)


def split_blocks(series: Int64Array) -> Iterator[Int64Array]:
    """*series* in blocks of `_SERIES_AT_ONCE`, which bounds memory."""
    return (series[begin : begin + _SERIES_AT_ONCE] for begin in range(0, len(series), _SERIES_AT_ONCE))

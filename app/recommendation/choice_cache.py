"""What was chosen for every series of one resource; it follows from the days alone, so it is never stored.

Closed days make a choice that stands until another day closes. Of a young series, of which less than a day
was seen before today, today counts too; and where the same container of the same workload is known from
another namespace, a young series takes the larger of its own value and theirs (their median).
"""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.recommendation.choice import choose
from app.recommendation.day_quantiles import Integers
from app.recommendation.day_summaries import DaySummaries
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.rules import ResourceRule

T = TypeVar("T", bound=np.generic)
_AT_ONCE = 1000  # series whose candidates are priced at the same time: about 10 MB


class ChoiceCache:
    """The choices of one resource, made when they are asked for."""

    def __init__(self, observed: DaySummaryCache) -> None:
        self._observed = observed
        self._version: tuple[int, ResourceRule] | None = None
        self.candidate = np.empty(0, dtype=np.int64)
        self.value = np.empty(0)  # NaN where nothing was chosen yet
        self.siblings = np.empty(0, dtype=np.int64)  # whose value stands in for one that knows too little
        self.young = np.empty(0, dtype=np.bool_)

    def begin(self, rule: ResourceRule) -> bool:
        """Forget what no longer holds; True where that is everything."""
        version, size = (self._observed.closed_version, rule), self._observed.size
        stands = version == self._version and size >= len(self.value)
        self._version, self._rule, kept = version, rule, slice(None if stands else 0)
        self.value = grown(self.value[kept], size, np.nan)
        self.candidate = grown(self.candidate[kept], size, 0)
        self.siblings = grown(self.siblings[kept], size, 0)
        self.young = self._observed.closed_length() < 1
        self.value[self.young] = np.nan
        return not stands

    def days(self, series: Integers) -> DaySummaries:
        """The days on which the choice for *series* rests; of those that are not young, today is blank."""
        return self._observed.days(series, self.young[series])

    def ensure(self, series: Integers, groups: Integers) -> None:
        """Choose for those of *series* that have no choice yet; *groups* tells siblings of all series."""
        lacking = series[np.isnan(self.value[series])]
        young = lacking[self.young[lacking]]
        elders = np.flatnonzero(~self.young & np.isin(groups, groups[young])) if len(young) else young
        fresh = np.union1d(lacking, elders[np.isnan(self.value[elders])])
        for block in blocks(fresh):
            self._choose(block)
        self._ask_elders(young, elders, groups)

    def _choose(self, series: Integers) -> None:
        for of_age, elapsed in ((~self.young[series], 0.0), (self.young[series], self._observed.elapsed)):
            here = series[of_age]
            if len(here):
                choice = choose(self.days(here), self._rule, elapsed=elapsed)
                self.candidate[here], self.value[here] = choice.candidate, choice.value

    def _ask_elders(self, young: Integers, elders: Integers, groups: Integers) -> None:
        """The larger of its own and its siblings' median; who has none stands alone."""
        self.siblings[young] = 0
        for group in np.unique(groups[young][np.isin(groups[young], groups[elders])]):
            known = self.value[elders[groups[elders] == group]]
            own = young[groups[young] == group]
            lifted = own[self.value[own] < np.median(known)]
            self.value[lifted], self.siblings[lifted] = np.median(known), len(known)


def grown(array: NDArray[T], size: int, fill: float) -> NDArray[T]:
    """*array* with *fill* for series that are new."""
    return np.concatenate((array, np.full(size - len(array), fill, dtype=array.dtype)))


def blocks(series: Integers) -> Iterator[Integers]:
    """*series* in parts that fit into memory."""
    return (series[begin : begin + _AT_ONCE] for begin in range(0, len(series), _AT_ONCE))

"""When the published value of a workload is left for another one: only where moving pays.

The value of a workload is the sum over its running containers. What was published is taken to be shared
among them as the newest choice is, so that the number in the profile is all that has to be remembered: the
same days and the same published number give the same decision, whoever decides, however often.

1. A new choice replaces the old value if that saves more than `move_saving` of cost (the containers' costs,
   weighted by what each of them gets). A value falls once a day at most, or whenever it rests on less than
   a day.
2. Within the day a value only rises, and only where today alone spent more than the risk that was taken.
3. While a sign of need raises a value, it moves by more than a twentieth: usage tells nothing of signs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.recommendation.choice import choose, overspent
from app.recommendation.choice_cache import ChoiceCache, blocks, grown
from app.recommendation.cost import priced
from app.recommendation.day_quantiles import Integers
from app.recommendation.day_summaries import Amounts, Floats
from app.recommendation.day_summary_cache import DaySummaryCache
from app.recommendation.rules import ResourceRule

Flags = NDArray[np.bool_]
_RAISED_DEADBAND = 0.05


@dataclass(frozen=True, slots=True)
class SeriesGroups:
    """The running series of *count* workloads; `place[k]` is the workload of `series[k]`."""

    series: Integers
    place: Integers
    count: int

    def total(self, amounts: Amounts | Floats) -> Amounts:
        """The sum over each workload's series."""
        total: Amounts = np.bincount(self.place, amounts, self.count).astype(np.float64)
        return total

    def any(self, flags: Flags) -> Flags:
        """True for each workload of which one series has the flag."""
        return self.total(flags.astype(np.float64)) > 0

    def of(self, chosen: Flags) -> "SeriesGroups":
        """The series of the *chosen* workloads, which are numbered anew."""
        renumbered, kept = chosen.cumsum() - 1, chosen[self.place]
        return SeriesGroups(self.series[kept], renumbered[self.place[kept]], int(chosen.sum()))


@dataclass(slots=True)
class StabilizationState:
    """What is published of each workload [count], and the choice of each series [series] beside it."""

    published: Amounts  # NaN for none
    may_fall: Flags
    candidate: Integers
    chosen: Amounts
    raised: Amounts  # the share by which a sign of need raises each series
    today_counts: Flags  # whether today is among the days of the choice

    def of(self, workloads: Flags | slice, series: Flags) -> "StabilizationState":
        """The part of some workloads, and of their series."""
        return StabilizationState(
            self.published[workloads],
            self.may_fall[workloads],
            self.candidate[series],
            self.chosen[series],
            self.raised[series],
            self.today_counts[series],
        )

    def need(self, members: SeriesGroups) -> Amounts:
        """What each workload needs by the choice."""
        return members.total(self.chosen * (1 + self.raised))

    def kept(self, members: SeriesGroups) -> Amounts:
        """What each series would keep of the published value, before any raise."""
        known = self.published > 0
        ratio = np.divide(self.published, self.need(members), out=np.ones(members.count), where=known)
        kept: Amounts = self.chosen * ratio[members.place]
        return kept


class Stabilizer:
    """Decides for the workloads of one resource; it remembers only what it need not work out again."""

    def __init__(self, observed: DaySummaryCache, choices: ChoiceCache) -> None:
        self._observed, self._choices = observed, choices
        self._kept = np.empty(0)  # what was priced, and what that gave
        self._saved, self._risk = (np.empty(0, dtype=np.float32) for _ in range(2))

    def begin(self, *, anew: bool) -> None:
        """Make room for series that are new; *anew* forgets all, since the days have changed.

        Those of young series change all the time.
        """
        size, kept = self._observed.size, slice(0 if anew else None)
        self._kept = grown(self._kept[kept], size, np.nan)
        self._saved, self._risk = grown(self._saved[kept], size, 0), grown(self._risk[kept], size, 0)
        self._kept[self._choices.young] = np.nan

    def decide(self, members: SeriesGroups, holding: StabilizationState, rule: ResourceRule) -> Amounts:
        """The value of each workload from now on: the published one, or what is chosen."""
        need, kept, known = holding.need(members), holding.kept(members), holding.published > 0
        self.price(members, holding, rule)
        saving = members.total(self._saved[members.series] * holding.chosen) / members.total(holding.chosen)
        strays = np.abs(need - holding.published) > _RAISED_DEADBAND * holding.published
        pays = np.where(members.any(holding.raised > 0), strays, saving > rule.move_saving)
        moves = ~known | (pays & ((need > holding.published) | holding.may_fall))
        value = np.where(moves, need, holding.published)
        rest = ~moves & members.any(self._outgrown(members, kept * (1 + holding.raised), rule))
        if rest.any():
            self._raise(members, holding, rest, value, rule)
        return value

    def price(self, members: SeriesGroups, holding: StabilizationState, rule: ResourceRule) -> None:
        """What keeping costs more than moving, and the risk of what is kept; only where either changed."""
        known = holding.published[members.place] > 0
        series, kept, chosen = members.series[known], holding.kept(members)[known], holding.chosen[known]
        changed, young = self._kept[series] != kept, self._choices.young[series]
        for some, elapsed in ((changed & ~young, 0.0), (changed & young, self._observed.elapsed)):
            for block in blocks(np.flatnonzero(some)):
                here = series[block]
                values = np.stack((kept[block], chosen[block]), axis=1).astype(np.float32)
                found = priced(values, self._choices.days(here), rule, elapsed=elapsed)
                cost = found.cost(rule)
                self._saved[here], self._risk[here] = cost[:, 0] - cost[:, 1], found.risk[:, 0]
        self._kept[series] = kept

    def _outgrown(self, members: SeriesGroups, values: Amounts, rule: ResourceRule) -> Flags:
        """Which series are to be looked at with today's samples; the choice for a young one holds them."""
        of_all = np.full(self._observed.size, np.inf, dtype=np.float32)
        of_all[members.series] = values
        today = self._observed.today
        if rule.by_maximum:
            over = today.maxima(len(of_all)) > of_all
        else:
            over = overspent(today.time_above(of_all), self._risk)
        return (over & ~self._choices.young)[members.series]

    def _raise(
        self,
        members: SeriesGroups,
        holding: StabilizationState,
        which: Flags,
        value: Amounts,
        rule: ResourceRule,
    ) -> None:
        """Choose for the workloads *which* with today's samples; where that is more and pays, it is taken."""
        some, elapsed = members.of(which), self._observed.elapsed
        days = self._observed.days(some.series, np.ones(len(some.series), dtype=np.bool_))
        choice = choose(days, rule, elapsed=elapsed)
        here = which[members.place]
        fresh = StabilizationState(
            holding.published[which],
            holding.may_fall[which],
            choice.candidate,
            choice.value,
            holding.raised[here],
            np.ones(len(some.series), dtype=np.bool_),
        )
        need = fresh.need(some)
        values = np.stack((fresh.kept(some), fresh.chosen), axis=1).astype(np.float32)
        cost = priced(values, days, rule, elapsed=elapsed).cost(rule)
        saving = some.total((cost[:, 0] - cost[:, 1]) * fresh.chosen) / some.total(fresh.chosen)
        risen = (need > fresh.published) & (saving > rule.move_saving)
        value[np.flatnonzero(which)[risen]] = need[risen]
        taken = np.flatnonzero(here)[risen[some.place]]
        kept = risen[some.place]
        holding.candidate[taken], holding.chosen[taken] = fresh.candidate[kept], fresh.chosen[kept]
        holding.today_counts[taken] = True

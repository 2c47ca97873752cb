"""How much one question may ask for: time chunks and shards of namespaces within a budget of samples; pure.

What counts is raw samples, since that is what a server reads: a rate over 5 minutes of series that are
scraped each 15 s loads 20 of them per step and series. Nothing here depends on the number of workloads.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from app.history.samples import StepRange, day_of
from app.sources.queries import Shard

DEFAULT_SAMPLE_BUDGET = 20_000_000  # a Prometheus refuses to hold 50 million for one query
# What sums more series than its caches hold takes a server a quarter longer for each, step after step: of
# several namespaces and more than an hour, a question asks for no more, although time is not cut for it.
_WELL_ANSWERED = 5_000_000
STEPS_PER_HOUR = 12
_MOST_POINTS = 11_000  # of one series, in one answer
# A smaller part of the budget was not too much: an estimate was wrong, or the server has other troubles.
_LEAST_REFUSED, _LEAST_LATE = 1 / 64, 1 / 16


@dataclass(frozen=True, slots=True)
class SampleLoad:
    """The raw samples that a question loads in each step, by namespace."""

    samples: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Of all namespaces; something where nothing is known, so that a half of it is less."""
        return max(sum(self.samples.values()), 1.0)

    @property
    def largest(self) -> float:
        """Of the namespace that has most; something where nothing is known."""
        return max([1.0, *self.samples.values()])

    def times(self, factor: float) -> "SampleLoad":
        """The load of a question that reads *factor* times as much."""
        return SampleLoad({namespace: samples * factor for namespace, samples in self.samples.items()})

    @classmethod
    def sum(cls, loads: Iterable["SampleLoad"]) -> "SampleLoad":
        """Of questions that are asked together."""
        total: Counter[str] = Counter()
        for load in loads:
            total.update(load.samples)
        return cls(total)

    def known_in(self, shard: Shard) -> list[str]:
        """The namespaces of *shard* of which there are samples, in order."""
        return sorted(filter(shard.covers, self.samples))

    def of(self, shard: Shard) -> float:
        """The part of *shard*."""
        return max(sum(self.samples[namespace] for namespace in self.known_in(shard)), 1.0)


class QueryPlanner:
    """Plans within a budget, and with what the server has shown it to be too much.

    What it refused stays too much for the rest of the day. What only came too late may be due to an hour in
    which the server has a lot to do: that makes questions shorter down to an hour, then smaller down to a
    floor, and each answer to a question as large as they are by then lets them be twice as large again.
    """

    def __init__(self, sample_budget: int = DEFAULT_SAMPLE_BUDGET) -> None:
        self._sample_budget = float(sample_budget)
        self._today = self._refused_on = 0
        self._refused = math.inf
        self._in_time, self._longest = self._sample_budget, _MOST_POINTS

    @property
    def budget(self) -> float:
        """The samples that a question may load."""
        return min(self._sample_budget, self._in_time, self._taken)

    @property
    def _taken(self) -> float:
        """The samples that the server may not refuse."""
        return self._refused if self._refused_on == self._today else math.inf

    def note_time(self, step: int) -> None:
        """Time goes on: what was refused yesterday may be answered by now."""
        self._today = max(self._today, day_of(step))

    def refused(self, samples: float) -> None:
        """A question that would load so many was too much: half of it is the most today."""
        half = self._half(samples, _LEAST_REFUSED)
        self._refused, self._refused_on = min(self._taken, half), self._today

    def late(self, part: StepRange, samples: float) -> None:
        """A plan for *part* whose questions load at most so many was not answered in time.

        However many of its questions were late, it was too much by half.
        """
        if len(part) > STEPS_PER_HOUR:
            self._longest = min(self._longest, shorter(part))
        else:
            self._in_time = min(self._in_time, self._half(samples, _LEAST_LATE))

    def _half(self, samples: float, least_share: float) -> float:
        least = self._sample_budget * least_share
        return math.inf if samples <= least else max(min(samples, self._sample_budget) / 2, least)

    def answered(self, part: StepRange, samples: float) -> None:
        """A plan for *part* whose questions load at most so many was answered in time."""
        self._longest = max(self._longest, min(2 * len(part), _MOST_POINTS))
        self._in_time = max(self._in_time, min(2 * samples, self._sample_budget))

    def newest(self, steps: StepRange, load: SampleLoad, longest: int = _MOST_POINTS) -> StepRange:
        """The newest part of *steps* to be asked for at once, of no more than *longest*.

        It is an hour at least, and less only where the server has refused as much of a single namespace.
        """
        least = max(min(STEPS_PER_HOUR, int(min(self._taken / load.largest, _MOST_POINTS))), 1)
        length = min(max(int(min(self.budget / load.total, self._longest)), least), longest)
        return StepRange(max(steps.first, steps.last - length + 1), steps.last)

    def largest(self, part: StepRange, load: SampleLoad) -> float:
        """The most that a question of a plan for *part* may load."""
        return min(self.budget, load.total * len(part))

    def shards(self, steps: StepRange, load: SampleLoad) -> list[Shard]:
        """All namespaces, in as many questions as are well answered within the budget.

        The last takes those without samples.
        """
        well = _WELL_ANSWERED if len(steps) > STEPS_PER_HOUR else math.inf
        most, filled = min(self.budget, well) / len(steps), 0.0
        groups: list[list[str]] = [[]]
        for namespace in sorted(load.samples):
            if groups[-1] and filled + load.samples[namespace] > most:
                groups.append([])
                filled = 0.0
            groups[-1].append(namespace)
            filled += load.samples[namespace]
        *named, _ = map(frozenset, groups)
        return [*map(Shard, named), Shard(without=frozenset().union(*named))]


def shorter(part: StepRange) -> int:
    """Half of *part*'s steps; an hour, if that lies between."""
    return max(len(part) // 2, STEPS_PER_HOUR if len(part) > STEPS_PER_HOUR else 1)


def halves(shard: Shard, load: SampleLoad) -> Sequence[Shard]:
    """Two shards that load about the same; none where the shard is one namespace."""
    known = load.known_in(shard)
    if not known or (shard.only is not None and len(known) == 1):
        return ()
    loads = list(accumulate(load.samples[namespace] for namespace in known))
    half = next(place for place, sum_so_far in enumerate(loads, 1) if 2 * sum_so_far >= loads[-1])
    if shard.only is not None:
        half = min(half, len(known) - 1)
    first = frozenset(known[:half])
    rest = None if shard.only is None else shard.only - first
    return Shard(first), Shard(rest, shard.without | first if rest is None else frozenset())

"""How much one question may ask for: time chunks and shards of namespaces within a budget of samples; pure.

What counts is raw samples, since that is what a server reads: a rate over 5 minutes of series that are
scraped each 15 s loads 20 of them per step and series. Nothing here depends on the number of workloads.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from app.estimation.samples import StepRange, day_of
from app.sources.queries import Shard

DEFAULT_SAMPLE_BUDGET = 20_000_000  # a Prometheus refuses to hold 50 million for one query
STEPS_PER_HOUR = 12
_MOST_POINTS = 11_000  # of one series, in one answer


@dataclass(frozen=True, slots=True)
class Load:
    """The raw samples that a question loads in each step, by namespace."""

    samples: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Of all namespaces; something where nothing is known, so that a half of it is less."""
        return max(sum(self.samples.values()), 1.0)

    def times(self, factor: float) -> "Load":
        """The load of a question that reads *factor* times as much."""
        return Load({namespace: samples * factor for namespace, samples in self.samples.items()})

    @classmethod
    def sum(cls, loads: Iterable["Load"]) -> "Load":
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


class Planner:
    """Plans within a budget, and remembers for the rest of the day how much was too much."""

    def __init__(self, sample_budget: int = DEFAULT_SAMPLE_BUDGET) -> None:
        self._sample_budget = sample_budget
        self._today = self._learned_on = 0
        self._learned = float(sample_budget)

    @property
    def budget(self) -> float:
        """The samples that a question may load."""
        return self._learned if self._learned_on == self._today else float(self._sample_budget)

    def note_time(self, step: int) -> None:
        """Time goes on: what was learned yesterday may be wrong by now."""
        self._today = max(self._today, day_of(step))

    def refused(self, samples: float) -> None:
        """A question that would load so many was too much: from now on, half of it is the most."""
        self._learned = max(min(self.budget, samples) / 2, 1.0)
        self._learned_on = self._today

    def newest(self, steps: StepRange, load: Load) -> StepRange:
        """The newest part of *steps* to be asked for at once, an hour at least."""
        length = max(int(min(self.budget / load.total, _MOST_POINTS)), STEPS_PER_HOUR)
        return StepRange(max(steps.first, steps.last - length + 1), steps.last)

    def shards(self, steps: StepRange, load: Load) -> list[Shard]:
        """All namespaces, in as many questions as the budget needs; the last takes those without samples."""
        most, filled = self.budget / len(steps), 0.0
        groups: list[list[str]] = [[]]
        for namespace in sorted(load.samples):
            if groups[-1] and filled + load.samples[namespace] > most:
                groups.append([])
                filled = 0.0
            groups[-1].append(namespace)
            filled += load.samples[namespace]
        *named, _ = map(frozenset, groups)
        return [*map(Shard, named), Shard(without=frozenset().union(*named))]


def halves(shard: Shard, load: Load) -> Sequence[Shard]:
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

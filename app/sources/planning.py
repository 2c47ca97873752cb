"""Sizes of queries: chunks of time and shards of namespaces within a sample budget; pure.

A query's size is the number of raw samples that the server reads: a rate over 5 minutes of series that are
scraped every 15 s loads 20 samples per step and series. Nothing here depends on the number of workloads.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from app.domain.namespaces import NamespaceSelection
from app.history.samples import STEPS_PER_HOUR, StepRange, day_of
from app.sources.queries import Shard

DEFAULT_SAMPLE_BUDGET = 20_000_000  # Prometheus refuses to hold more than 50 million for one query
# If a sum has more series than the server's caches hold, each of them takes a quarter longer, step by step. A
# query on several namespaces and more than an hour therefore loads at most this; chunks are not shortened for
# it.
_FAST_QUERY_SAMPLES = 5_000_000
_MAX_POINTS = 11_000  # of a series in a response
# Below these shares of the budget a query was not too large: an estimate was wrong, or the server has other
# problems.
_LEAST_REFUSED_SHARE, _LEAST_TIMED_OUT_SHARE = 1 / 64, 1 / 16


@dataclass(frozen=True, slots=True)
class SampleLoad:
    """The raw samples that a query loads per step, by namespace."""

    samples: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The load of all namespaces; at least 1, so that an unknown load can be halved too."""
        return max(sum(self.samples.values()), 1.0)

    @property
    def largest(self) -> float:
        """The load of the namespace with most samples; at least 1."""
        return max([1.0, *self.samples.values()])

    def scaled(self, factor: float) -> "SampleLoad":
        """The load of a query that reads *factor* times as many samples."""
        return SampleLoad({namespace: samples * factor for namespace, samples in self.samples.items()})

    @classmethod
    def sum(cls, loads: Iterable["SampleLoad"]) -> "SampleLoad":
        """The load of several queries together."""
        total: Counter[str] = Counter()
        for load in loads:
            total.update(load.samples)
        return cls(total)

    def within(self, namespaces: NamespaceSelection) -> "SampleLoad":
        """The load of *namespaces* only."""
        return SampleLoad({name: count for name, count in self.samples.items() if namespaces.covers(name)})

    def namespaces_in(self, shard: Shard) -> list[str]:
        """The namespaces of *shard* that have samples, sorted."""
        return sorted(filter(shard.covers, self.samples))

    def of(self, shard: Shard) -> float:
        """The load of *shard*; at least 1."""
        return max(sum(self.samples[namespace] for namespace in self.namespaces_in(shard)), 1.0)


class QueryPlanner:
    """Plans queries within the sample budget and within the limits that the server has shown.

    What the server refused stays too large for the rest of the day. A time-out may be due to an hour of high
    load on the server: after it chunks are shorter, down to an hour, then queries smaller, down to a floor.
    Each result in time of a query of the current largest size doubles that size again.
    """

    def __init__(self, sample_budget: int = DEFAULT_SAMPLE_BUDGET) -> None:
        self._sample_budget = float(sample_budget)
        self._today = self._refusal_day = 0
        self._refusal_limit = math.inf
        self._time_out_limit, self._max_steps = self._sample_budget, _MAX_POINTS
        self._next_isolation_step = 0

    @property
    def budget(self) -> float:
        """The samples that a query may load."""
        return min(self._sample_budget, self._time_out_limit, self._limit_today)

    @property
    def _limit_today(self) -> float:
        """The samples that the server may accept today."""
        return self._refusal_limit if self._refusal_day == self._today else math.inf

    def advance_to(self, step: int) -> None:
        """Move to the day of *step*: the server may accept what it refused on another day."""
        self._today = max(self._today, day_of(step))

    def record_refusal(self, samples: float) -> None:
        """The server refused a query that loads *samples*: half of that is the limit for today."""
        half = self._half(samples, _LEAST_REFUSED_SHARE)
        self._refusal_limit, self._refusal_day = min(self._limit_today, half), self._today

    def record_time_out(self, chunk: StepRange, samples: float) -> None:
        """The server did not answer in time on *chunk*, with queries that load at most *samples*.

        The limit is halved once, however many of these queries timed out.
        """
        if len(chunk) > STEPS_PER_HOUR:
            self._max_steps = min(self._max_steps, shortened_length(chunk))
        else:
            self._time_out_limit = min(self._time_out_limit, self._half(samples, _LEAST_TIMED_OUT_SHARE))

    def may_isolate(self, step: int) -> bool:
        """True if namespaces that fail may be looked for; after a fruitless search not for an hour."""
        return step >= self._next_isolation_step

    def record_fruitless_isolation(self, step: int) -> None:
        """Every query failed: the fault is not that of some namespaces."""
        self._next_isolation_step = step + STEPS_PER_HOUR

    def _half(self, samples: float, least_share: float) -> float:
        least = self._sample_budget * least_share
        return math.inf if samples <= least else max(min(samples, self._sample_budget) / 2, least)

    def record_result(self, chunk: StepRange, samples: float) -> None:
        """The server answered in time on *chunk*, with queries that load at most *samples*."""
        self._max_steps = max(self._max_steps, min(2 * len(chunk), _MAX_POINTS))
        self._time_out_limit = max(self._time_out_limit, min(2 * samples, self._sample_budget))

    def newest_chunk(self, steps: StepRange, load: SampleLoad, max_steps: int = _MAX_POINTS) -> StepRange:
        """The newest chunk of *steps* to query at once, of at most *max_steps*.

        It is at least an hour long, and shorter only if the server has refused as much of one namespace.
        """
        least = max(min(STEPS_PER_HOUR, int(min(self._limit_today / load.largest, _MAX_POINTS))), 1)
        length = min(max(int(min(self.budget / load.total, self._max_steps)), least), max_steps)
        return StepRange(max(steps.first, steps.last - length + 1), steps.last)

    def largest_query(self, chunk: StepRange, load: SampleLoad) -> float:
        """The largest number of samples that a query of the plan for *chunk* may load."""
        return min(self.budget, load.total * len(chunk))

    def shards(self, steps: StepRange, load: SampleLoad) -> list[Shard]:
        """All namespaces, in shards whose queries are fast and within the budget.

        The last shard has the namespaces without samples too.
        """
        fast = _FAST_QUERY_SAMPLES if len(steps) > STEPS_PER_HOUR else math.inf
        max_load, shard_load = min(self.budget, fast) / len(steps), 0.0
        groups: list[list[str]] = [[]]
        for namespace in sorted(load.samples):
            if groups[-1] and shard_load + load.samples[namespace] > max_load:
                groups.append([])
                shard_load = 0.0
            groups[-1].append(namespace)
            shard_load += load.samples[namespace]
        *named, _ = map(frozenset, groups)
        return [*map(Shard, named), Shard(excluded=frozenset().union(*named))]


def shortened_length(chunk: StepRange) -> int:
    """Half of the chunk's number of steps; an hour if the chunk is longer than that and its half shorter."""
    return max(len(chunk) // 2, STEPS_PER_HOUR if len(chunk) > STEPS_PER_HOUR else 1)


def halves(shard: Shard, load: SampleLoad) -> Sequence[Shard]:
    """Two shards of about the same load; none if *shard* is a single namespace or no load of it is known."""
    namespaces = load.namespaces_in(shard)
    if not namespaces or (shard.included is not None and len(namespaces) == 1):
        return ()
    loads = list(accumulate(load.samples[namespace] for namespace in namespaces))
    half = next(count for count, load_so_far in enumerate(loads, 1) if 2 * load_so_far >= loads[-1])
    if shard.included is not None:
        half = min(half, len(namespaces) - 1)
    first = frozenset(namespaces[:half])
    rest = None if shard.included is None else frozenset(shard.included) - first
    return Shard(first), Shard(rest, first.union(shard.excluded) if rest is None else frozenset())


def fitting(shards: Iterable[Shard], load: SampleLoad, fits: Callable[[Shard], bool]) -> list[Shard]:
    """The *shards*, in smaller ones where the names of namespaces make the text of a query too long.

    In place of all namespaces but many, those with samples are named. A namespace without samples is then in
    no shard, until its load is known.
    """
    fitted: list[Shard] = []
    waiting = list(reversed(list(shards)))
    while waiting:
        shard = waiting.pop()
        names = load.namespaces_in(shard)
        if fits(shard) or not names:
            fitted.append(shard)
        elif shard.included is None:
            waiting.append(Shard(frozenset(names)))
        else:
            parts = halves(shard, load)
            waiting += reversed(parts)
            fitted += [] if parts else [shard]
    return fitted

"""Queries in chunks of time (newest first) and shards of namespaces; smaller ones when a query fails.

A chunk has the results of all its shards, except for the namespaces that fail alone: their steps stay unread,
and other namespaces do not wait for them. Older chunks are queried without these: a namespace that is too
large even for one step would be searched for in each step of the past. A chunk that fails for all namespaces
is skipped, so that older steps do not wait for it either.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from app.domain.namespaces import NamespaceSelection
from app.errors import RefusedQueryError, SourceError, TooLargeError
from app.history.samples import STEPS_PER_HOUR, StepRange
from app.sources.planning import QueryPlanner, SampleLoad, fitting, halves, shortened_length
from app.sources.queries import Shard
from app.task_group import task_group

# After more time-outs the query fails: each of them may last as long as the client's time-out.
_MAX_TIME_OUTS = 2
# After this number of skipped chunks the query fails: the fault is not in a few of them.
_MAX_SKIPPED_CHUNKS = 3
# The refusals within one chunk: enough to reach one of 8,192 namespaces by halving, and two more for each
# query with a result; and the most queries. What is not isolated then is tried apart in the next cycle.
_FREE_REFUSALS, _MAX_QUERIES = 14, 200

T = TypeVar("T")
RunQuery = Callable[[Shard, StepRange], Awaitable[T]]


class Chunk(NamedTuple, Generic[T]):
    """The results on *steps*, and the error of each namespace without a result."""

    steps: StepRange
    results: list[T]
    failed: dict[str, SourceError]


@dataclass(slots=True)
class _Isolation:
    """The queries on one chunk; a query without named namespaces does not count as answered."""

    may_halve: bool
    answered: int = 0
    refused: int = 0
    late: int = 0

    @property
    def is_worthwhile(self) -> bool:
        """True if halving the namespaces may show that only some of them fail."""
        within_limits = self.refused + self.answered <= _MAX_QUERIES
        return self.may_halve and within_limits and self.refused <= _FREE_REFUSALS + 2 * self.answered


class _FailedShard(NamedTuple):
    shard: Shard
    error: SourceError


@dataclass(frozen=True, slots=True)
class ChunkedQuery(Generic[T]):
    """Runs a query on shards of namespaces and chunks of time; calls *on_split* when one was too large.

    A shard *fits* if the text of its query is not too long.
    """

    planner: QueryPlanner
    load: SampleLoad
    run: RunQuery[T]
    on_split: Callable[[], None]
    fits: Callable[[Shard], bool] = lambda _shard: True

    async def results(self, steps: StepRange, *, max_samples: float = math.inf) -> AsyncIterator[Chunk[T]]:
        """The results on the newest chunk of *steps*, then on the chunk before it, and so on.

        Ends when about *max_samples* were loaded.

        Raises:
            SourceError: a chunk has no result, or after the other chunks if some were skipped; the results
                before it are valid.
        """
        remaining, loaded, time_outs, max_steps = steps, 0.0, 0, len(steps)
        load, skipped = self.load, list[SourceError]()
        left_out: dict[str, SourceError] = {}
        may_grow = False  # what was too large stays so; another fault may be that of a few steps
        self.planner.advance_to(steps.last)
        while remaining and loaded < max_samples:
            chunk = self.planner.newest_chunk(remaining, load, max_steps)
            samples = self.planner.largest_query(chunk, load)
            try:
                results, failed, late = await self._run_chunk(chunk, load, left_out)
            except (TooLargeError, RefusedQueryError) as error:
                may_grow |= isinstance(error, RefusedQueryError)
                is_late = isinstance(error, TooLargeError) and error.timed_out
                if is_late:
                    time_outs += 1
                    self.planner.record_time_out(chunk, samples)
                if len(chunk) > _least_steps(error) and time_outs <= _MAX_TIME_OUTS:
                    max_steps = shortened_length(chunk)
                    continue
                skipped.append(error)
                may_grow = True
                if is_late or len(skipped) == _MAX_SKIPPED_CHUNKS:
                    raise skipped[0] from None
            else:
                time_outs += late
                if late:
                    self.planner.record_time_out(chunk, samples)
                if not time_outs:
                    # A success of the shortened query does not show that a larger one would succeed.
                    self.planner.record_result(chunk, samples)
                    may_grow |= bool(failed)
                    max_steps = min(2 * max_steps, len(steps)) if may_grow else max_steps
                left_out |= failed
                yield Chunk(chunk, results, dict(left_out))
                del results  # which keep the memory that the next queries may need
                loaded += load.total * len(chunk)
                load = self.load.within(NamespaceSelection(excluded=frozenset(left_out)))
            remaining = StepRange(remaining.first, chunk.first - 1)
        if skipped:
            raise skipped[0]

    async def _run_chunk(
        self, chunk: StepRange, load: SampleLoad, left_out: Collection[str]
    ) -> tuple[list[T], dict[str, SourceError], int]:
        """The results, the error of each further namespace without one, and the number of time-outs."""
        isolation = _Isolation(may_halve=self.planner.may_isolate(chunk.last))
        planned = (shard.without(left_out) for shard in self.planner.shards(chunk, load))
        shards = fitting(planned, load, self.fits)
        outcomes = await run_all(self._run_shard(shard, chunk, isolation) for shard in shards)
        results = [result for answers, _ in outcomes for result in answers]
        failures = [failure for _, failed in outcomes for failure in failed]
        if failures and not isolation.answered:
            if isolation.may_halve:
                self.planner.record_fruitless_isolation(chunk.last)
            raise failures[0].error
        failed: dict[str, SourceError] = {}
        for shard, error in failures:
            names = self.load.namespaces_in(shard)
            failed |= dict.fromkeys(names, error)
            if shard.included is None:  # it has the namespaces of unknown load too
                results.append(await self.run(shard.without(names), chunk))
        return results, failed, isolation.late

    async def _run_shard(
        self, shard: Shard, chunk: StepRange, isolation: _Isolation
    ) -> tuple[list[T], list[_FailedShard]]:
        """The results of the parts of *shard* that have one, and the other parts."""
        names = self.load.namespaces_in(shard)
        try:
            result = await self.run(shard, chunk)
        except TooLargeError as error:
            self.on_split()
            # Long chunks are halved before namespaces are; the chunk of a single namespace is halved again.
            parts = () if len(chunk) > STEPS_PER_HOUR else halves(shard, self.load)
            if error.timed_out:
                isolation.late += 1
                # Time-outs in a row take too long: once is enough to see whether the server is slow.
                parts = parts if isolation.may_halve and isolation.late == 1 and len(names) > 1 else ()
                if len(chunk) > STEPS_PER_HOUR or not names or isolation.late > _MAX_TIME_OUTS + 1:
                    raise
            else:
                self.planner.record_refusal(self.load.of(shard) * len(chunk))
                if not parts and (len(chunk) > 1 or not names):
                    raise
            failure: SourceError = error
        except RefusedQueryError as error:
            isolation.refused += 1
            parts = halves(shard, self.load) if isolation.is_worthwhile and len(names) > 1 else ()
            if not parts and not names:
                raise
            failure = error
        else:
            isolation.answered += bool(names)
            return [result], []
        if not parts:
            return [], [_FailedShard(shard, failure)]
        run = partial(self._run_shard, chunk=chunk, isolation=isolation)
        outcomes = await run_all(map(run, parts)) if isolation.late else [await run(part) for part in parts]
        return (
            [result for answers, _ in outcomes for result in answers],
            [failure for _, failed in outcomes for failure in failed],
        )


def failure_texts(failed: Mapping[str, SourceError]) -> dict[str, str]:
    """The text of each namespace's error."""
    return {namespace: str(error) for namespace, error in failed.items()}


def _least_steps(error: SourceError) -> int:
    """The length of a chunk that is not shortened any more after *error*."""
    is_refusal_of_size = isinstance(error, TooLargeError) and not error.timed_out
    return 1 if is_refusal_of_size else STEPS_PER_HOUR


async def run_all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all; the first error cancels the others and is raised."""
    async with task_group() as tasks:
        started = [tasks.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in started]

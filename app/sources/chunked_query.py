"""Queries in chunks of time (newest first) and shards of namespaces; smaller ones when a query is too large.

A chunk counts only with the results of all its shards: a step with a part of its results stays unread.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

from app.errors import SourceError, TooLargeError
from app.history.samples import StepRange
from app.sources.planning import STEPS_PER_HOUR, QueryPlanner, SampleLoad, halves, shortened_length
from app.sources.queries import Shard

# After more time-outs the query fails: each of them may last as long as the client's time-out.
_MAX_TIME_OUTS = 2

T = TypeVar("T")
RunQuery = Callable[[Shard, StepRange], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class ChunkedQuery(Generic[T]):
    """Runs a query on shards of namespaces and chunks of time; calls *on_split* when one was too large."""

    planner: QueryPlanner
    load: SampleLoad
    run: RunQuery[T]
    on_split: Callable[[], None]

    async def results(
        self, steps: StepRange, *, max_samples: float = math.inf
    ) -> AsyncIterator[tuple[StepRange, list[T]]]:
        """The results of all shards on the newest chunk of *steps*, then on the chunk before it, and so on.

        Ends when about *max_samples* were loaded.

        Raises:
            SourceError: a chunk has no complete result; the results before it are valid.
        """
        remaining, loaded, time_outs, max_steps = steps, 0.0, 0, len(steps)
        self.planner.advance_to(steps.last)
        while remaining and loaded < max_samples:
            chunk = self.planner.newest_chunk(remaining, self.load, max_steps)
            samples = self.planner.largest_query(chunk, self.load)
            try:
                results = await self._run_chunk(chunk)
            except TooLargeError as error:
                if error.timed_out:
                    time_outs += 1
                    self.planner.record_time_out(chunk, samples)
                least_steps = STEPS_PER_HOUR if error.timed_out else 1
                if len(chunk) <= least_steps or time_outs > _MAX_TIME_OUTS:
                    raise
                max_steps = shortened_length(chunk)
                continue
            if (
                not time_outs
            ):  # a success of the shortened query does not show that a larger one would succeed
                self.planner.record_result(chunk, samples)
            yield chunk, results
            loaded += self.load.total * len(chunk)
            remaining = StepRange(remaining.first, chunk.first - 1)

    async def _run_chunk(self, chunk: StepRange) -> list[T]:
        shards = self.planner.shards(chunk, self.load)
        return list(chain.from_iterable(await run_all(self._run_shard(shard, chunk) for shard in shards)))

    async def _run_shard(self, shard: Shard, chunk: StepRange) -> list[T]:
        try:
            return [await self.run(shard, chunk)]
        except TooLargeError as error:
            self.on_split()
            if error.timed_out:  # an immediate retry would time out again
                raise
            self.planner.record_refusal(self.load.of(shard) * len(chunk))
            # Long chunks are halved before namespaces are; the chunk of a single namespace is halved again.
            half_shards = () if len(chunk) > STEPS_PER_HOUR else halves(shard, self.load)
            if not half_shards:
                raise
        return [result for half in half_shards for result in await self._run_shard(half, chunk)]


async def run_all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all; the first SourceError cancels the others and is raised."""
    first_error: SourceError | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except* SourceError as errors:
        first_error = next(iter(_leaves(errors)))
    if first_error:
        raise first_error
    return [task.result() for task in tasks]


def _leaves(group: BaseExceptionGroup[SourceError]) -> Iterable[SourceError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

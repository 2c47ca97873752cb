"""Asks for what was planned, newest first, and for less where it was too much.

An answer counts when all shards of its time have answered: a step of which a part is known stays unknown.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

from app.errors import SourceError, TooLargeError
from app.history.samples import StepRange
from app.sources.planning import STEPS_PER_HOUR, QueryPlanner, SampleLoad, halves, shorter
from app.sources.queries import Shard

# Each of them may have taken the whole time-out.
_LATE_ANSWERS = 2

T = TypeVar("T")
Ask = Callable[[Shard, StepRange], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class ChunkedQuery(Generic[T]):
    """A question that is asked of shards of namespaces and parts of time; *split* hears of each refusal."""

    planner: QueryPlanner
    load: SampleLoad
    ask: Ask[T]
    split: Callable[[], None]

    async def answers(
        self, steps: StepRange, *, most_samples: float = math.inf
    ) -> AsyncIterator[tuple[StepRange, list[T]]]:
        """The answers of all shards on the newest part of *steps*, then on the part before it, and so on.

        It ends when about *most_samples* were loaded.

        Raises:
            SourceError: a part could not be answered; those that were given before stand.
        """
        left, loaded, late, longest = steps, 0.0, 0, len(steps)
        self.planner.note_time(steps.last)
        while left and loaded < most_samples:
            part = self.planner.newest(left, self.load, longest)
            samples = self.planner.largest(part, self.load)
            try:
                answers = await self._whole(part)
            except TooLargeError as error:
                if error.is_late:
                    late += 1
                    self.planner.late(part, samples)
                if len(part) <= (STEPS_PER_HOUR if error.is_late else 1) or late > _LATE_ANSWERS:
                    raise
                longest = shorter(part)
                continue
            if not late:
                self.planner.answered(part, samples)
            yield part, answers
            loaded += self.load.total * len(part)
            left = StepRange(left.first, part.first - 1)

    async def _whole(self, part: StepRange) -> list[T]:
        shards = self.planner.shards(part, self.load)
        return list(chain.from_iterable(await all_of(self._of(shard, part) for shard in shards)))

    async def _of(self, shard: Shard, part: StepRange) -> list[T]:
        try:
            return [await self.ask(shard, part)]
        except TooLargeError as error:
            self.split()
            if error.is_late:  # it is not asked again at once
                raise
            self.planner.refused(self.load.of(shard) * len(part))
            # Time is halved before namespaces are, and again where there is but one.
            parts = () if len(part) > STEPS_PER_HOUR else halves(shard, self.load)
            if not parts:
                raise
        return [answer for half in parts for answer in await self._of(half, part)]


async def all_of(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results; the first that fails ends the others."""
    fault: SourceError | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in coroutines]
    except* SourceError as faults:
        fault = next(each for each in _leaves(faults))
    if fault:
        raise fault
    return [task.result() for task in tasks]


def _leaves(group: BaseExceptionGroup[SourceError]) -> Iterable[SourceError]:
    for each in group.exceptions:
        yield from _leaves(each) if isinstance(each, BaseExceptionGroup) else (each,)

"""What is asked where a server refuses: halves, newest first, and never a part for the whole."""

import asyncio
from collections.abc import Callable

import pytest

from app.errors import SourceError, TooLargeError
from app.history.samples import StepRange
from app.sources.chunked_query import ChunkedQuery
from app.sources.planning import QueryPlanner, SampleLoad
from app.sources.queries import Shard

HALF_DAY = StepRange(1, 144)
HOUR = StepRange(133, 144)
A = frozenset({"a"})
TWO = SampleLoad({"a": 1000.0, "b": 1000.0})
Answered = tuple[Shard, StepRange]
TOO_MANY = TooLargeError("HTTPError", "too many samples")
LATE = TooLargeError("TimedOut", "no whole answer", is_late=True)


class Server:
    """Answers with what it was asked; *refuses* tells which questions are too large for it, and how."""

    def __init__(self, refuses: Callable[[Shard, StepRange], SourceError | None]) -> None:
        self.asked: list[Answered] = []
        self.splits = 0
        self._refuses = refuses

    async def ask(self, shard: Shard, steps: StepRange) -> Answered:
        """One question."""
        self.asked.append((shard, steps))
        await asyncio.sleep(0)
        if error := self._refuses(shard, steps):
            raise error
        return shard, steps

    def split(self) -> None:
        """Count."""
        self.splits += 1

    def inquiry(self, planner: QueryPlanner, load: SampleLoad) -> ChunkedQuery[Answered]:
        """Ask it."""
        return ChunkedQuery(planner, load, self.ask, self.split)


async def answers(
    inquiry: ChunkedQuery[Answered], steps: StepRange
) -> list[tuple[StepRange, list[Answered]]]:
    return [answer async for answer in inquiry.results(steps)]


async def test_too_many_steps_are_halved_and_that_is_remembered() -> None:
    """40 steps are the most: 144, 72 and 36 are tried. The rest is asked for in 36 at once, later too."""
    server, planner = Server(lambda _, steps: TOO_MANY if len(steps) > 40 else None), QueryPlanner(10**6)

    told = await answers(server.inquiry(planner, TWO), HALF_DAY)

    assert [len(steps) for _, steps in server.asked] == [144, 72, 36, 36, 36, 36]
    assert [steps for steps, _ in told] == [
        StepRange(109, 144),
        StepRange(73, 108),
        StepRange(37, 72),
        StepRange(1, 36),
    ]
    assert server.splits == 2
    server.asked.clear()
    await answers(server.inquiry(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.asked] == [36] * 4


async def test_below_an_hour_namespaces_are_halved() -> None:
    """One namespace at a time is the most; at the end each step has the answers of both shards together."""
    server = Server(lambda shard, _: None if A in {shard.only, shard.without} else TOO_MANY)

    told = await answers(server.inquiry(QueryPlanner(10**9), TWO), HOUR)

    shards = [Shard(A), Shard(without=A)]
    assert told == [(HOUR, [(shard, HOUR) for shard in shards])]


async def test_later_questions_are_sharded_from_the_start() -> None:
    """What was learned of the first hour holds for the second: no further refusal."""
    server = Server(lambda shard, _: None if A in {shard.only, shard.without} else TOO_MANY)
    planner = QueryPlanner(10**5)
    await answers(server.inquiry(planner, TWO), HOUR)
    server.asked.clear()

    await answers(server.inquiry(planner, TWO), HOUR)

    assert len(server.asked) == 2


async def test_one_shard_that_fails_spoils_its_part_and_no_other() -> None:
    """Two shards of an hour: the newest hour is whole; of the one before it one shard fails, so all of it."""
    before = StepRange(121, 132)
    server = Server(
        lambda shard, steps: SourceError("HTTPError", "500") if shard.only and steps == before else None
    )
    told = server.inquiry(QueryPlanner(12_000), TWO).results(HALF_DAY)

    assert (await anext(told))[0] == HOUR
    with pytest.raises(SourceError, match="500"):
        await anext(told)


async def test_a_single_namespace_of_which_an_hour_is_too_much_is_asked_for_less() -> None:
    """Three steps of one namespace at a time are the most: both hours are answered, three steps by three.

    That is remembered: later each question is right the first time.
    """
    server = Server(
        lambda shard, steps: None if len(steps) <= 3 and A in {shard.only, shard.without} else TOO_MANY
    )
    planner, hours = QueryPlanner(10**5), StepRange(121, 144)

    told = await answers(server.inquiry(planner, TWO), hours)

    assert [len(steps) for steps, _ in told] == [3] * 8
    assert all(len(answered) == 2 for _, answered in told)
    server.asked.clear()
    await answers(server.inquiry(planner, TWO), hours)
    assert len(server.asked) == 2 * 8


async def test_a_single_step_of_a_namespace_that_is_too_large_fails() -> None:
    """It can't be asked for in smaller parts: the server's words are told."""
    server = Server(lambda _shard, _steps: TOO_MANY)

    with pytest.raises(TooLargeError, match="too many samples"):
        await answers(server.inquiry(QueryPlanner(10**9), TWO), HOUR)

    shard, steps = server.asked[-1]
    assert (len(shard.only or ()), steps) == (1, StepRange(144, 144))


async def test_a_wrong_estimate_makes_no_question_of_each_namespace() -> None:
    """50 namespaces of 400 samples, and one that nobody knows: an hour of that one is refused.

    It is found by halving, and less of it is answered. That the rest is small was right, and stays so: the
    next step is one question.
    """
    load = SampleLoad({f"team-{number}": 400.0 for number in range(50)})
    planner = QueryPlanner(20_000_000)
    server = Server(lambda shard, steps: TOO_MANY if shard.covers("unknown") and len(steps) > 6 else None)
    assert [len(steps) for steps, _ in await answers(server.inquiry(planner, load), HOUR)] == [6, 6]
    server.asked.clear()

    await answers(server.inquiry(planner, load), StepRange(145, 145))

    assert len(server.asked) == 1


async def test_a_slow_server_is_not_waited_for_many_times() -> None:
    """Each late answer may have taken a minute: three in one call are the most, and half as much is next.

    That is 18 steps in the second call, and then an hour, which is asked once in each call from then on.
    """
    server, planner = Server(lambda _shard, _steps: LATE), QueryPlanner(10**9)

    with pytest.raises(TooLargeError, match="no whole answer"):
        await answers(server.inquiry(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.asked] == [144, 72, 36]

    for expected in ([18, 12], [12]):
        server.asked.clear()
        with pytest.raises(TooLargeError):
            await answers(server.inquiry(planner, TWO), HALF_DAY)
        assert [len(steps) for _, steps in server.asked] == expected


async def test_a_server_that_is_no_longer_slow_is_asked_for_more_again() -> None:
    """From an hour: 12 and twice as much each time, 12 + 24 + 48 + 60 = 144. The next call asks at once."""
    server, planner = Server(lambda _shard, _steps: LATE), QueryPlanner(10**9)
    for _ in range(2):
        with pytest.raises(TooLargeError):
            await answers(server.inquiry(planner, TWO), HALF_DAY)

    healthy = Server(lambda _shard, _steps: None)
    for _ in range(2):
        await answers(healthy.inquiry(planner, TWO), HALF_DAY)

    assert [len(steps) for _, steps in healthy.asked] == [12, 24, 48, 60, 120, 24]


async def test_what_came_late_is_not_tried_again_in_the_same_call() -> None:
    """More than 40 steps are late. The call after it tries 72 once more, and that is all it loses by that."""
    server, planner = Server(lambda _, steps: LATE if len(steps) > 40 else None), QueryPlanner(10**9)

    await answers(server.inquiry(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.asked] == [144, 72, 36, 36, 36, 36]

    server.asked.clear()
    await answers(server.inquiry(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.asked] == [36, 72, 36, 36, 36]


async def test_a_late_answer_on_a_step_is_asked_in_shards_the_next_time() -> None:
    """Once a call: the next one asks for half of the namespaces at a time, and no less than 1/16 of a budget.

    That is 1,000 of 16,000 samples, and each namespace has as many.
    """
    server, planner = Server(lambda shard, _: LATE if shard == Shard() else None), QueryPlanner(16_000)
    step = StepRange(144, 144)

    with pytest.raises(TooLargeError):
        await answers(server.inquiry(planner, TWO), step)
    assert len(await answers(server.inquiry(planner, TWO), step)) == 1

    assert [len(server.asked), server.splits] == [3, 1]


async def test_fifty_namespaces_that_are_late_at_once_halve_the_budget_once() -> None:
    """A step of 50 namespaces of 400 samples loads 20,000, the whole budget: 10,000, then 5,000 are next."""
    planner, load = QueryPlanner(20_000), SampleLoad({f"team-{number}": 400.0 for number in range(50)})
    server, step = Server(lambda _shard, _steps: LATE), StepRange(144, 144)

    with pytest.raises(TooLargeError):
        await answers(server.inquiry(planner, load), step)
    assert planner.budget == 10_000
    with pytest.raises(TooLargeError):
        await answers(server.inquiry(planner, load), step)

    assert planner.budget == 5_000
    assert len(server.asked) == 1 + 2


async def test_a_failure_is_no_reason_to_ask_for_less() -> None:
    """An unreachable server, or a partial answer, stays so for half of the question."""
    server = Server(lambda _shard, _steps: SourceError("Unreachable", "refused"))

    with pytest.raises(SourceError, match="refused"):
        await answers(server.inquiry(QueryPlanner(10**9), TWO), HALF_DAY)

    assert len(server.asked) == 1


async def test_what_is_older_waits_for_the_next_call() -> None:
    """24,000 samples are an hour of both: after two hours as much was loaded as one call may."""
    server = Server(lambda _shard, _steps: None)
    inquiry = server.inquiry(QueryPlanner(24_000), TWO)

    told = [steps async for steps, _ in inquiry.results(HALF_DAY, max_samples=48_000)]

    assert told == [HOUR, StepRange(121, 132)]


async def test_a_step_is_answered_in_every_call() -> None:
    """However little a call may load, the newest part is asked for."""
    server = Server(lambda _shard, _steps: None)

    told = [steps async for steps, _ in server.inquiry(QueryPlanner(1), TWO).results(HALF_DAY, max_samples=1)]

    assert told == [HOUR]

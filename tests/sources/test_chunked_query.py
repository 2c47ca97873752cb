"""Queries after a refusal or a time-out: halves, newest first, and no chunk without all its shards."""

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
Answer = tuple[Shard, StepRange]
TOO_MANY = TooLargeError("HTTPError", "too many samples")
LATE = TooLargeError("TimedOut", "no complete response", timed_out=True)


class Server:
    """Returns the shard and the steps of a query; *refuses* returns the error for one that is too large."""

    def __init__(self, refuses: Callable[[Shard, StepRange], SourceError | None]) -> None:
        self.queries: list[Answer] = []
        self.splits = 0
        self._refuses = refuses

    async def run(self, shard: Shard, steps: StepRange) -> Answer:
        """Record and answer one query."""
        self.queries.append((shard, steps))
        await asyncio.sleep(0)
        if error := self._refuses(shard, steps):
            raise error
        return shard, steps

    def split(self) -> None:
        """Count a split."""
        self.splits += 1

    def query(self, planner: QueryPlanner, load: SampleLoad) -> ChunkedQuery[Answer]:
        """A query on this server."""
        return ChunkedQuery(planner, load, self.run, self.split)


async def results_of(query: ChunkedQuery[Answer], steps: StepRange) -> list[tuple[StepRange, list[Answer]]]:
    return [(chunk, results) async for chunk, results, _ in query.results(steps)]


async def test_too_many_steps_are_halved_and_the_limit_stays() -> None:
    """At most 40 steps: 144, 72 and 36 are tried. The rest is queried in chunks of 36, later steps too."""
    server, planner = Server(lambda _, steps: TOO_MANY if len(steps) > 40 else None), QueryPlanner(10**6)

    results = await results_of(server.query(planner, TWO), HALF_DAY)

    assert [len(steps) for _, steps in server.queries] == [144, 72, 36, 36, 36, 36]
    assert [steps for steps, _ in results] == [
        StepRange(109, 144),
        StepRange(73, 108),
        StepRange(37, 72),
        StepRange(1, 36),
    ]
    assert server.splits == 2
    server.queries.clear()
    await results_of(server.query(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.queries] == [36] * 4


async def test_below_an_hour_namespaces_are_halved() -> None:
    """At most one namespace per query: each step has the results of both shards together."""
    server = Server(lambda shard, _: None if A in {shard.included, shard.excluded} else TOO_MANY)

    results = await results_of(server.query(QueryPlanner(10**9), TWO), HOUR)

    shards = [Shard(A), Shard(excluded=A)]
    assert results == [(HOUR, [(shard, HOUR) for shard in shards])]


async def test_later_queries_are_sharded_from_the_start() -> None:
    """The limit of the first hour applies to the second: no further refusal."""
    server = Server(lambda shard, _: None if A in {shard.included, shard.excluded} else TOO_MANY)
    planner = QueryPlanner(10**5)
    await results_of(server.query(planner, TWO), HOUR)
    server.queries.clear()

    await results_of(server.query(planner, TWO), HOUR)

    assert len(server.queries) == 2


async def test_a_failed_shard_fails_only_its_chunk() -> None:
    """Two shards per hour: the newest hour is complete; the one before fails, since a shard of it does."""
    before = StepRange(121, 132)
    server = Server(
        lambda shard, steps: SourceError("HTTPError", "500") if shard.included and steps == before else None
    )
    results = server.query(QueryPlanner(12_000), TWO).results(HALF_DAY)

    assert (await anext(results))[0] == HOUR
    with pytest.raises(SourceError, match="500"):
        await anext(results)


async def test_an_hour_of_a_single_namespace_is_split() -> None:
    """At most three steps of one namespace per query: both hours are queried in chunks of three steps.

    The limit remains: later queries are not refused.
    """
    server = Server(
        lambda shard, steps: None if len(steps) <= 3 and A in {shard.included, shard.excluded} else TOO_MANY
    )
    planner, hours = QueryPlanner(10**5), StepRange(121, 144)

    results = await results_of(server.query(planner, TWO), hours)

    assert [len(steps) for steps, _ in results] == [3] * 8
    assert all(len(answers) == 2 for _, answers in results)
    server.queries.clear()
    await results_of(server.query(planner, TWO), hours)
    assert len(server.queries) == 2 * 8


async def test_a_single_step_of_a_namespace_that_is_too_large_fails() -> None:
    """One step of one namespace can't be split: three steps are tried, and the server's error is raised."""
    server = Server(lambda _shard, _steps: TOO_MANY)

    with pytest.raises(TooLargeError, match="too many samples"):
        await results_of(server.query(QueryPlanner(10**9), TWO), HOUR)

    shard, steps = server.queries[-1]
    assert (shard.excluded, steps) == ({"a", "b"}, StepRange(142, 142))


async def test_a_wrong_estimate_does_not_split_all_namespaces() -> None:
    """50 namespaces of 400 samples, and one of unknown load: an hour of that one is refused.

    Halving isolates it, and it is queried in shorter chunks. The estimate for the others was right and
    remains: the next step is one query.
    """
    load = SampleLoad({f"team-{number}": 400.0 for number in range(50)})
    planner = QueryPlanner(20_000_000)
    server = Server(lambda shard, steps: TOO_MANY if shard.covers("unknown") and len(steps) > 6 else None)
    assert [len(steps) for steps, _ in await results_of(server.query(planner, load), HOUR)] == [6, 6]
    server.queries.clear()

    await results_of(server.query(planner, load), StepRange(145, 145))

    assert len(server.queries) == 1


async def test_time_outs_per_call_are_limited() -> None:
    """Each time-out may have taken a minute: at most three per call, and half as many steps in the next.

    That is 18 steps in the second call, and then an hour, also of each half of the namespaces. In the next
    hour it is an hour once per call.
    """
    server, planner = Server(lambda _shard, _steps: LATE), QueryPlanner(10**9)

    with pytest.raises(TooLargeError, match="no complete response"):
        await results_of(server.query(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.queries] == [144, 72, 36]

    for expected in ([18, 12, 12, 12], [12]):
        server.queries.clear()
        with pytest.raises(TooLargeError):
            await results_of(server.query(planner, TWO), HALF_DAY)
        assert [len(steps) for _, steps in server.queries] == expected


async def test_chunks_grow_when_a_server_is_fast_again() -> None:
    """From an hour, doubling: 12 + 24 + 48 + 60 = 144. The next call begins with longer chunks."""
    server, planner = Server(lambda _shard, _steps: LATE), QueryPlanner(10**9)
    for _ in range(2):
        with pytest.raises(TooLargeError):
            await results_of(server.query(planner, TWO), HALF_DAY)

    healthy = Server(lambda _shard, _steps: None)
    for _ in range(2):
        await results_of(healthy.query(planner, TWO), HALF_DAY)

    assert [len(steps) for _, steps in healthy.queries] == [12, 24, 48, 60, 120, 24]


async def test_a_late_size_is_not_tried_again_in_the_same_call() -> None:
    """More than 40 steps time out. The next call tries 72 once more, which is its only time-out."""
    server, planner = Server(lambda _, steps: LATE if len(steps) > 40 else None), QueryPlanner(10**9)

    await results_of(server.query(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.queries] == [144, 72, 36, 36, 36, 36]

    server.queries.clear()
    await results_of(server.query(planner, TWO), HALF_DAY)
    assert [len(steps) for _, steps in server.queries] == [36, 72, 36, 36, 36]


async def test_a_late_step_is_sharded_from_then_on() -> None:
    """After one time-out half of the namespaces are queried at a time, in the next call from the start.

    The limit is at least 1/16 of the budget: 1,000 of 16,000 samples, the load of each namespace.
    """
    server, planner = Server(lambda shard, _: LATE if shard == Shard() else None), QueryPlanner(16_000)
    step = StepRange(144, 144)

    for _ in range(2):
        assert len(await results_of(server.query(planner, TWO), step)) == 1

    assert [len(server.queries), server.splits] == [3 + 2, 1]


async def test_fifty_namespaces_that_are_late_at_once_halve_the_budget_once() -> None:
    """A step of 50 namespaces of 400 samples loads 20,000, the whole budget: 10,000, then 5,000 are next.

    The first call also tries both halves, and the second one, within the hour, queries two shards.
    """
    planner, load = QueryPlanner(20_000), SampleLoad({f"team-{number}": 400.0 for number in range(50)})
    server, step = Server(lambda _shard, _steps: LATE), StepRange(144, 144)

    with pytest.raises(TooLargeError):
        await results_of(server.query(planner, load), step)
    assert planner.budget == 10_000
    with pytest.raises(TooLargeError):
        await results_of(server.query(planner, load), step)

    assert planner.budget == 5_000
    assert len(server.queries) == 3 + 2


async def test_a_failure_does_not_split_the_query() -> None:
    """An unreachable server, or a partial response, would fail half of the query too."""
    server = Server(lambda _shard, _steps: SourceError("Unreachable", "refused"))

    with pytest.raises(SourceError, match="refused"):
        await results_of(server.query(QueryPlanner(10**9), TWO), HALF_DAY)

    assert len(server.queries) == 1


async def test_older_steps_wait_for_the_next_call() -> None:
    """24,000 samples are an hour of both namespaces: after two hours the limit of the call is reached."""
    server = Server(lambda _shard, _steps: None)
    query = server.query(QueryPlanner(24_000), TWO)

    results = [steps async for steps, *_ in query.results(HALF_DAY, max_samples=48_000)]

    assert results == [HOUR, StepRange(121, 132)]


async def test_every_call_queries_the_newest_step() -> None:
    """The newest chunk is queried with the smallest limit too."""
    server = Server(lambda _shard, _steps: None)

    results = [
        steps async for steps, *_ in server.query(QueryPlanner(1), TWO).results(HALF_DAY, max_samples=1)
    ]

    assert results == [HOUR]

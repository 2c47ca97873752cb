"""The memory that the answers of all queries share."""

import asyncio
import time
from urllib.parse import parse_qs

import httpx
import pytest

from app.domain.profiles import Resource
from app.errors import TooLargeError
from app.history.samples import StepRange
from app.sources.memory_budget import MIB, MemoryBudget
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import Scope
from app.sources.query_result import QueryResult
from tests.sources.wire import FIRST, STEPS, ScriptedPrometheus, answer, row

URL = "http://prometheus.example:9090"
# A row with a name of 600,000 characters needs 6 bytes of each while it is decoded (3.6 MB), and keeps 4
# (2.4 MB), and some hundred bytes more.
ROWS = [row({"pod": f"{number}{'x' * 600_000}"}, [(FIRST, "1")]) for number in range(3)]


def budget_of_two() -> MemoryBudget:
    """One query has a share of 6 MiB; the other 6 MiB hold two results, not three."""
    return MemoryBudget(1, 12 * MIB)


class Api:
    """Asks for as many of the rows as each question says."""

    def __init__(self, budget: MemoryBudget, *rows: int, timeout_seconds: float = 60.0) -> None:
        self.wire = ScriptedPrometheus(*(answer(*ROWS[:number]) for number in rows))
        self._budget, self._timeout_seconds = budget, timeout_seconds

    async def ask(self) -> QueryResult:
        """The result of the next question."""
        async with PrometheusApi(
            URL, timeout_seconds=self._timeout_seconds, transport=self.wire, budget=self._budget
        ) as api:
            return await api.query_range("up", ("pod",), STEPS)

    async def has_sent(self, requests: int) -> None:
        """Waits until so many were sent."""
        for _ in range(1000):
            if len(self.wire.requests) == requests:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError


async def test_a_query_waits_until_another_result_is_dropped() -> None:
    """Beside two results there is no room for a third: it is asked for again once one of them is dropped."""
    api = Api(budget_of_two(), 1, 1, 1, 1)
    results = [await api.ask(), await api.ask()]
    third = asyncio.create_task(api.ask())
    await api.has_sent(3)
    await asyncio.sleep(0.2)
    assert not third.done()

    results.pop()
    result = await third

    assert [len(key[0]) for key in (*results[0].keys, *result.keys)] == [600_001, 600_001]
    assert len(api.wire.requests) == 4


async def test_all_queries_without_room_are_asked_again() -> None:
    """Two results leave no room for three more; each of these is dropped at once."""
    api = Api(budget_of_two(), 1)
    results = [await api.ask(), await api.ask()]

    async def rows() -> int:
        return len((await api.ask()).keys)

    others = [asyncio.create_task(rows()) for _ in range(3)]
    await api.has_sent(5)
    results.pop()

    assert await asyncio.gather(*others) == [1, 1, 1]


async def test_the_wait_ends_with_the_time_out() -> None:
    """Two results stay in use: the query is too large beside them, as a smaller one may not be."""
    api = Api(budget_of_two(), 1, timeout_seconds=0.3)
    results = [await api.ask(), await api.ask()]

    with pytest.raises(TooLargeError, match="need more memory than all of them may take"):
        await api.ask()

    assert len(results) == 2
    assert len(api.wire.requests) == 3


async def test_the_wait_ends_where_nothing_changes() -> None:
    """Both results are held by others that wait, say: the query does not wait for the time-out of 60 s."""
    api = Api(MemoryBudget(1, 12 * MIB, quiet_seconds=0.2), 1)
    results = [await api.ask(), await api.ask()]

    with pytest.raises(TooLargeError):
        await asyncio.wait_for(api.ask(), 10)

    assert len(results) == 2


async def test_what_is_larger_than_the_budget_does_not_wait() -> None:
    """A result of three rows, 7.2 MB, is above the common half of 6 MiB, however long it waits."""
    api = Api(budget_of_two(), 3)

    with pytest.raises(TooLargeError):
        await asyncio.wait_for(api.ask(), 10)

    assert len(api.wire.requests) == 1


def settled_bytes(budget: MemoryBudget) -> int:
    """What is in use once the thread that decoded a result has ended its job, within 5 s."""
    ends = time.monotonic() + 5
    while budget.in_use_bytes and time.monotonic() < ends:
        time.sleep(0.001)
    return budget.in_use_bytes


@pytest.mark.parametrize("read", ["container_samples", "pressure_samples"])
async def test_the_results_of_a_chunk_are_dropped_before_the_next_is_asked_for(
    read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hours of at most 12 samples a query are two chunks: nothing is in use when either is asked for."""
    budgets: list[MemoryBudget] = []
    in_use_bytes: dict[str, int] = {}  # at the first query of each chunk

    def budget(queries: int) -> MemoryBudget:
        budgets.append(MemoryBudget(queries))
        return budgets[-1]

    def reply(request: httpx.Request) -> httpx.Response:
        [start] = parse_qs(request.content.decode())["start"]
        if start not in in_use_bytes:
            in_use_bytes[start] = settled_bytes(budgets[0])
        container = {"namespace": "shop", "pod": "web-1", "container": "app", "signal": "oom"}
        return answer(row(container, [(int(start), "1")]))

    monkeypatch.setattr("app.sources.prometheus.MemoryBudget", budget)
    two_hours = StepRange(STEPS.last - 23, STEPS.last)
    limits = Limits(sample_budget=12)
    async with PrometheusSource(
        URL, scope=Scope(), limits=limits, transport=ScriptedPrometheus(reply)
    ) as source:
        chunks = [chunk async for chunk in getattr(source, read)(Resource.MEMORY, two_hours)]

    assert len(chunks) == 2
    assert {*in_use_bytes.values()} == {0}

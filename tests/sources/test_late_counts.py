"""Samples that come more than an hour late: the query on loads counts an older step too, twice."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest

from app.errors import RefusedQueryError
from app.history.samples import StepRange
from app.sources.load_meter import LoadMeter
from app.sources.queries import Scope
from app.sources.query_result import QueryResult

NOW = 5_900_000
SCOPE = Scope(cluster="prod")


class CountingServer:
    """Answers queries on loads: the counts of the newest step, and those of an earlier one."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {"shop": 20, "late": 0}
        self.earlier: Mapping[str, int] = {"shop": 20}
        self.queries: list[str] = []
        self.refuses_older = False

    async def query_range(
        self, query: str, labels: Sequence[str], steps: StepRange, _optional: Collection[str], **_: object
    ) -> QueryResult:
        """The counts of the step that the query asks for."""
        self.queries.append(query)
        counted = [("", self.counts)]
        if labels[-1] == "__earlier":
            if self.refuses_older:
                raise RefusedQueryError("QueryFailed", "out of retention")
            counted.append(("1", self.earlier))
        rows = [
            (
                tuple(
                    {"namespace": name, "job": "kubelet", "__earlier": mark}.get(label, "")
                    for label in labels
                ),
                n,
            )
            for mark, counts in counted
            for name, n in counts.items()
            if n
        ]
        numbers = np.arange(len(rows), dtype=np.int32)
        samples = np.array([count for _, count in rows], dtype=np.float64)
        return QueryResult(tuple(key for key, _ in rows), steps, numbers, 0 * numbers, samples)


@pytest.fixture
def server() -> CountingServer:
    return CountingServer()


async def measured(meter: LoadMeter, hours: range, scope: Scope = SCOPE) -> Collection[str]:
    """The namespaces with late samples after a query in each of *hours*."""
    for hour in hours:
        load = await meter.of_containers(scope, StepRange(NOW, NOW + 12 * hour))
        assert load.samples == {"shop": 20}
    return meter.late_containers


async def test_samples_that_came_within_a_day(server: CountingServer) -> None:
    """One query an hour; of 25, the first one and the last one but one count an older step too.

    The first counts the step an hour before it; a day after that one, it is the last but one's turn.
    """
    meter = LoadMeter(server)  # type: ignore[arg-type]

    assert await measured(meter, range(23)) == ()
    server.earlier = {"shop": 20, "late": 5, "more": 20}
    assert await measured(meter, range(23, 25)) == ("more", "late")

    assert len(server.queries) == 25
    offsets = [query.partition("offset ")[2].partition("s")[0] for query in server.queries]
    assert offsets == ["3600"] + 22 * [""] + ["86400", "3600"]
    earlier = server.queries[1].replace("[5m]", "[5m] offset 3600s")
    assert server.queries[0] == f'{server.queries[1]} or label_replace({earlier},"__earlier","1","","")'


async def test_samples_that_came_in_time(server: CountingServer) -> None:
    """What was late a day ago, and is not any more, is not named; nor is less than half a percent."""
    meter = LoadMeter(server)  # type: ignore[arg-type]
    await measured(meter, range(1))
    server.earlier = {"shop": 20, "late": 5}
    assert await measured(meter, range(23, 24)) == ("late",)

    server.earlier = {"shop": 2000, "late": 5}
    assert await measured(meter, range(24, 25)) == ("late",)
    server.earlier = {"shop": 2000, "late": 14}
    assert await measured(meter, range(25, 48)) == ()


async def test_a_whole_store_that_is_late_loses_nothing(server: CountingServer) -> None:
    """With samples of one namespace of three in the newest step, no older one is taken down."""
    meter = LoadMeter(server)  # type: ignore[arg-type]
    server.earlier = {"shop": 20, "pay": 20, "web": 20}
    await measured(meter, range(1))

    server.earlier = {"shop": 20, "pay": 30, "web": 30}
    assert await measured(meter, range(23, 24)) == ()


async def test_a_server_without_a_newest_step(server: CountingServer) -> None:
    """A load without samples is asked for again at each step; an older step at most once an hour."""
    meter = LoadMeter(server)  # type: ignore[arg-type]
    server.counts = {}

    for step in range(13):
        await meter.of_containers(SCOPE, StepRange(NOW, NOW + step))

    assert ["offset" in query for query in server.queries] == [True] + 11 * [False] + [True]


async def test_a_server_that_refuses_the_older_step(server: CountingServer) -> None:
    """The load is asked for alone, and for a day no older step."""
    meter = LoadMeter(server)  # type: ignore[arg-type]
    server.refuses_older = True

    await measured(meter, range(24))

    assert ["offset" in query for query in server.queries] == [True] + 24 * [False]


async def test_another_scope_begins_anew(server: CountingServer) -> None:
    """Namespaces that came into scope have samples that were not counted before."""
    meter = LoadMeter(server)  # type: ignore[arg-type]
    await measured(meter, range(1))

    server.earlier = {"shop": 20, "new": 20}
    other = Scope(cluster="prod", excluded=frozenset({"kube-system"}))
    assert await measured(meter, range(23, 24), other) == ()

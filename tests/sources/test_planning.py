"""Sizes of queries: within a sample budget, an hour at least, and independent of workloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.history.samples import STEPS_PER_DAY, StepRange
from app.sources.planning import QueryPlanner, SampleLoad, halves, shortened_length
from app.sources.queries import Shard

WEEK = StepRange(1, 7 * STEPS_PER_DAY)
LOADS = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(1, 1e6), max_size=12)


def cut(planner: QueryPlanner, steps: StepRange, load: SampleLoad) -> list[StepRange]:
    """All chunks of *steps*, newest first."""
    chunks = []
    while steps:
        chunks.append(planner.newest_chunk(steps, load))
        steps = StepRange(steps.first, chunks[-1].first - 1)
    return chunks


def test_a_small_cluster_is_one_query() -> None:
    """200 containers, scraped every 30 s, are 2000 samples a step: a week is 4 million, within 20 million."""
    planner, load = QueryPlanner(20_000_000), SampleLoad({"shop": 2000.0})

    assert cut(planner, WEEK, load) == [WEEK]
    assert planner.shards(WEEK, load) == [Shard()]


def test_a_medium_cluster_is_queried_in_chunks() -> None:
    """100,000 samples a step: 200 steps are 20 million. Newest first; the oldest chunk is the rest.

    Queries on such a chunk load at most 5 million if its namespaces allow it: 25,000 a step.
    """
    planner = QueryPlanner(20_000_000)
    load = SampleLoad({"a": 40_000.0, "b": 10_000.0, "c": 15_000.0, "d": 35_000.0})

    chunks = cut(planner, WEEK, load)

    assert chunks[0] == StepRange(WEEK.last - 199, WEEK.last)
    assert [len(chunk) for chunk in chunks] == [200] * 10 + [16]
    assert planner.shards(chunks[0], load) == [
        Shard(frozenset("a")),
        Shard(frozenset("bc")),
        Shard(excluded=frozenset("abc")),
    ]


def test_chunks_are_as_long_as_before_after_slow_responses() -> None:
    """100,000 samples a step of 20 small namespaces: 12 steps after the time-out of an hour, then 200."""
    planner, load = QueryPlanner(20_000_000), SampleLoad({f"team-{number}": 5000.0 for number in range(20)})
    hour = StepRange(1, 12)

    planner.record_time_out(hour, 2_000_000)
    assert len(planner.newest_chunk(WEEK, load)) == 12
    for _ in range(8):
        chunk = planner.newest_chunk(WEEK, load)
        planner.record_result(chunk, planner.largest_query(chunk, load))

    assert len(planner.newest_chunk(WEEK, load)) == 200


def test_a_large_cluster_is_queried_in_shards_of_an_hour() -> None:
    """9 million samples a step are 108 million in an hour: shards of at most 20 / 12 million a step.

    Each namespace of 1 million fills a shard, so nine namespaces are nine shards; the last shard has all
    namespaces that are not in the others, whether or not their load is known.
    """
    planner, load = QueryPlanner(20_000_000), SampleLoad({f"team-{number}": 1e6 for number in range(9)})

    chunk = planner.newest_chunk(WEEK, load)
    shards = planner.shards(chunk, load)

    assert len(chunk) == 12
    assert shards[:8] == [Shard(frozenset({f"team-{number}"})) for number in range(8)]
    assert shards[8] == Shard(excluded=frozenset(f"team-{number}" for number in range(8)))


def test_a_query_on_one_step_has_the_fewest_shards() -> None:
    """The same cluster, one step: 9 million are within the budget, so it is one query."""
    load = SampleLoad({f"team-{number}": 1e6 for number in range(9)})

    assert QueryPlanner(20_000_000).shards(StepRange(1, 1), load) == [Shard()]


def test_no_result_exceeds_the_points_of_a_server() -> None:
    """Prometheus returns at most 11,000 points of a series, for any number of series."""
    assert len(QueryPlanner(10**9).newest_chunk(StepRange(1, 20_000), SampleLoad({"a": 1.0}))) == 11_000


def test_a_refusal_is_remembered_until_the_next_day() -> None:
    """10 million were refused: the limit is 5 million, and 2.5 after another refusal."""
    planner, load = QueryPlanner(20_000_000), SampleLoad({"shop": 20_000.0})
    planner.advance_to(STEPS_PER_DAY)

    planner.record_refusal(10_000_000)
    assert len(planner.newest_chunk(WEEK, load)) == 250
    planner.record_refusal(5_000_000)
    assert len(planner.newest_chunk(WEEK, load)) == 125

    planner.advance_to(STEPS_PER_DAY - 5)
    assert planner.budget == 2_500_000
    planner.advance_to(STEPS_PER_DAY + 1)
    assert planner.budget == 20_000_000


def test_a_refusal_of_more_than_was_planned_halves_the_plan() -> None:
    """An estimate may be wrong: 30 million were refused within a budget of 20, so the limit is 10."""
    planner = QueryPlanner(20_000_000)

    planner.record_refusal(30_000_000)

    assert planner.budget == 10_000_000


def test_concurrent_refusals_halve_the_limit_once() -> None:
    """200 concurrent queries of 10 million are refused: the limit is half of one, halved only once."""
    planner = QueryPlanner(20_000_000)

    for _ in range(200):
        planner.record_refusal(10_000_000)

    assert planner.budget == 5_000_000


def test_a_refused_hour_of_a_namespace_shortens_its_chunks() -> None:
    """1.2 million samples of `a` in an hour were refused: the limit is 600,000, which are 6 of its steps."""
    planner, load = QueryPlanner(20_000_000), SampleLoad({"a": 1e5, "b": 1e5})

    planner.record_refusal(1_200_000)
    chunk = planner.newest_chunk(WEEK, load)

    assert len(chunk) == 6
    assert planner.shards(chunk, load) == [Shard(frozenset({"a"})), Shard(excluded=frozenset({"a"}))]


def test_refusals_end_at_a_floor() -> None:
    """20 million / 64 = 312,500: the refusal of a smaller query does not lower the limit."""
    planner = QueryPlanner(20_000_000)
    planner.record_refusal(400_000)
    assert planner.budget == 312_500

    other = QueryPlanner(20_000_000)
    other.record_refusal(300_000)
    assert other.budget == 20_000_000


def test_time_outs_shorten_queries_before_they_are_sharded() -> None:
    """A day times out, and half of it, and so on: 144, 72, 36, 18 steps, and at least an hour.

    16 million samples in an hour of two namespaces are one query, until that one times out too.
    """
    planner, load = QueryPlanner(20_000_000), SampleLoad({"a": 2e6 / 3, "b": 2e6 / 3})
    small = SampleLoad({"a": 20_000_000 / STEPS_PER_DAY})
    lengths = []
    for _ in range(5):
        planner.record_time_out(
            chunk := planner.newest_chunk(WEEK, small), planner.largest_query(chunk, small)
        )
        lengths.append(len(planner.newest_chunk(WEEK, small)))

    assert lengths == [144, 72, 36, 18, 12]
    hour = planner.newest_chunk(WEEK, load)
    assert planner.shards(hour, load) == [Shard()]
    planner.record_time_out(hour, planner.largest_query(hour, load))
    assert planner.shards(hour, load) == [Shard(frozenset({"a"})), Shard(excluded=frozenset({"a"}))]


def test_time_outs_end_at_a_floor() -> None:
    """20 million / 16 = 1.25 million after any number of time-outs; smaller queries lower no limit."""
    planner, load, step = QueryPlanner(20_000_000), SampleLoad({"a": 16e6}), StepRange(1, 1)
    budgets = []
    for _ in range(5):
        planner.record_time_out(step, planner.largest_query(step, load))
        budgets.append(planner.budget)
    assert budgets == [8e6, 4e6, 2e6, 1.25e6, 1.25e6]

    other = QueryPlanner(20_000_000)
    other.record_time_out(step, 80_000)
    assert other.budget == 20_000_000


def test_concurrent_time_outs_halve_the_limit_once() -> None:
    """Two signals plan queries of 16 million at the same time, and both time out: the limit is 8 million."""
    planner, load, step = QueryPlanner(20_000_000), SampleLoad({"a": 16e6}), StepRange(1, 1)
    planned = [planner.largest_query(step, load) for _ in range(2)]

    for samples in planned:
        planner.record_time_out(step, samples)

    assert planner.budget == 8e6


def test_results_in_time_let_queries_grow() -> None:
    """From 1.25 million to 20 in four results; from an hour to two."""
    planner, load, step = QueryPlanner(20_000_000), SampleLoad({"a": 30e6}), StepRange(1, 1)
    for _ in range(5):
        planner.record_time_out(step, planner.largest_query(step, load))
    budgets = []
    for _ in range(5):
        planner.record_result(step, planner.largest_query(step, load))
        budgets.append(planner.budget)
    assert budgets == [2.5e6, 5e6, 10e6, 20e6, 20e6]

    planner.record_time_out(StepRange(1, 13), 1)
    planner.record_result(StepRange(1, 12), 1)
    assert len(planner.newest_chunk(WEEK, SampleLoad({"a": 1.0}))) == 24


def test_a_refused_size_does_not_return_on_the_same_day() -> None:
    """10 million were refused: results of 5 million do not raise the limit."""
    planner, load, step = QueryPlanner(20_000_000), SampleLoad({"a": 5e6}), StepRange(1, 1)
    planner.advance_to(1)
    planner.record_refusal(10_000_000)

    planner.record_result(step, planner.largest_query(step, load))

    assert planner.budget == 5_000_000


@pytest.mark.parametrize("load", [SampleLoad(), SampleLoad({"a": 0.5})])
def test_an_unknown_load_is_one_query(load: SampleLoad) -> None:
    """An unknown load counts as small until a refusal: then the chunk is shorter."""
    planner = QueryPlanner(20_000_000)
    assert planner.newest_chunk(WEEK, load) == WEEK

    assert shortened_length(WEEK) == 1008
    assert planner.newest_chunk(WEEK, load, 1008) == StepRange(1009, 2016)


def test_an_hour_is_tried_before_less() -> None:
    """18 steps are followed by 12, and those by 6, 3 and 1."""
    assert [shortened_length(StepRange(1, length)) for length in (288, 18, 12, 6, 3)] == [144, 12, 6, 3, 1]


@given(LOADS, st.integers(1, 10**7), st.integers(1, 3000))
def test_every_namespace_and_step_is_queried_once(samples: dict[str, float], budget: int, steps: int) -> None:
    """For any load and budget, queries cover known and unknown namespaces once, within the budget.

    Only a single namespace, for an hour, may exceed it.
    """
    planner, load, all_steps = QueryPlanner(budget), SampleLoad(samples), StepRange(1, steps)
    chunks = cut(planner, all_steps, load)

    assert [step for chunk in reversed(chunks) for step in range(chunk.first, chunk.last + 1)] == list(
        range(1, steps + 1)
    )
    for chunk in chunks:
        shards = planner.shards(chunk, load)
        for namespace in {*samples, "unknown"}:
            assert sum(shard.covers(namespace) for shard in shards) == 1
        for shard in shards:
            within = load.of(shard) * len(chunk) <= budget * (1 + 1e-9)
            assert within or (len(chunk) <= 12 and len(load.namespaces_in(shard)) <= 1)


@given(LOADS)
def test_halving_ends_at_single_namespaces(samples: dict[str, float]) -> None:
    """Repeated halving leaves shards of one known namespace each; unknown namespaces are in one of them."""
    load, ends = SampleLoad(samples), []
    waiting = [Shard()]
    while waiting:
        chunks = halves(shard := waiting.pop(), load)
        waiting += chunks
        ends += [] if chunks else [shard]

    for namespace in samples:
        (end,) = [shard for shard in ends if shard.covers(namespace)]
        assert load.namespaces_in(end) == [namespace]
    assert sum(shard.covers("unknown") for shard in ends) == 1

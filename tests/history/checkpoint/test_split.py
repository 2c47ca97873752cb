"""Shards of any ranges and ages, some of them lost, restore the state: nothing is missing or twice."""

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.namespaces import NamespaceSelection
from app.history.checkpoint.codec import Checkpoint, decode, encode
from app.history.checkpoint.shards import halves, plan_ranges
from app.history.checkpoint.split import within
from app.history.key_ranges import KeyRange, key_of, range_of
from app.history.samples import StepRange
from tests.recommendation.learning import PAST, Cluster, Learner, facts, learned_of

CLUSTER = Cluster()
ALL = NamespaceSelection()
WHOLE = facts(learned_of(CLUSTER).learned)
KEYS = sorted(key_of(workload) for workload in CLUSTER.workloads)


def stored(learner: Learner, keys: KeyRange, query_scope: NamespaceSelection = ALL) -> Checkpoint:
    """A shard after encoding and decoding."""
    return decode(encode(learner.learned.shard(keys, query_scope)), timeslots=4, retained_days=15)


def ranges_from(starts: list[int]) -> list[KeyRange]:
    bounds = sorted({0, *starts})
    return [KeyRange(a, b - 1) for a, b in zip(bounds, [*bounds[1:], KeyRange().last + 1], strict=True)]


def until(step: int) -> StepRange:
    return StepRange(PAST.first, step)


@settings(max_examples=30)
@given(data=st.data())
def test_shards_of_any_age_restore_the_whole_state(data: st.DataObject) -> None:
    """Shards are stored at different times and one may be lost; querying the missing steps completes them.

    A result is always for all namespaces: steps that a younger shard has already must not count twice.
    """
    shards = []
    for keys in ranges_from(data.draw(st.lists(st.sampled_from(KEYS), max_size=5))):
        at = data.draw(st.integers(PAST.last - 300, PAST.last))
        shards.append(stored(learned_of(CLUSTER, until(at)), keys))
    if data.draw(st.booleans()):
        shards.remove(data.draw(st.sampled_from(shards)))
    learner = Learner(CLUSTER)

    learner.learned.restore(shards, ALL)
    learner.read(PAST)

    assert facts(learner.learned) == WHOLE


@pytest.mark.parametrize("seed", range(3))
def test_a_leader_that_is_killed_during_a_split_leaves_a_restorable_state(seed: int) -> None:
    """The new shard has the right half, the old one the whole range: each counts for its own keys."""
    middle = random.Random(seed).choice(KEYS)
    old = stored(learned_of(CLUSTER, until(PAST.last - 200)), KeyRange())
    new = stored(learned_of(CLUSTER, until(PAST.last - 50)), KeyRange(middle, KeyRange().last))
    learner = Learner(CLUSTER)
    learner.learned.restore([new, old], ALL)

    for history in learner.learned.usage.histograms.values():
        assert history.coverage.missing(PAST)[-1].first == PAST.last - 199
    learner.read(PAST)
    assert facts(learner.learned) == WHOLE


def test_without_shards_everything_is_missing() -> None:
    """The state of a first installation."""
    learner = Learner(CLUSTER)
    learner.learned.restore([], ALL)
    learner.read(PAST)

    assert facts(learner.learned) == WHOLE


def test_a_namespace_that_comes_into_scope_brings_its_past() -> None:
    """All namespaces but team-2 were queried. Then all its steps are missing, and no other counts twice."""
    others = {f"team-{n}" for n in range(6)} - {"team-2"}
    learner = Learner(CLUSTER)
    learner.read(PAST, others)
    assert facts(learner.learned) != WHOLE

    learner.learned.forget("team-2")
    assert learner.history.missing(next(iter(learner.learned.usage.histograms)), PAST)[-1].first == PAST.first
    learner.read(PAST)

    assert facts(learner.learned) == WHOLE


@pytest.mark.parametrize(
    ("before", "now", "unknown"),
    [
        (NamespaceSelection(frozenset({"team-0", "team-1"})), ALL, {2, 3, 4, 5}),
        (NamespaceSelection(frozenset({"team-0"})), NamespaceSelection(frozenset({"team-0", "team-3"})), {3}),
        (NamespaceSelection(None, frozenset({"team-4"})), ALL, {4}),
        (ALL, NamespaceSelection(frozenset({"team-4"})), set()),
        (
            NamespaceSelection(frozenset({"team-1"})),
            NamespaceSelection(None, frozenset({"team-5"})),
            {0, 2, 3, 4, 5},
        ),
    ],
    ids=["all-instead-of-two", "one-more", "no-longer-excluded", "fewer", "all-but-one"],
)
def test_a_scope_that_grew_while_there_was_no_leader(
    before: NamespaceSelection, now: NamespaceSelection, unknown: set[int]
) -> None:
    """Namespaces that were not queried for the shard and are in scope now are missing; others are not."""
    teams = {f"team-{n}" for n in range(6)}
    first = Learner(CLUSTER)
    first.read(PAST, {team for team in teams if before.covers(team)})
    middle = KEYS[len(KEYS) // 2]
    shards = [stored(first, keys, within(before, keys)) for keys in ranges_from([middle])]
    learner = Learner(CLUSTER)
    learner.learned.restore(shards, now)

    keys = np.array([range_of(f"team-{n}").first for n in range(6)])
    for history in learner.learned.usage.histories():
        is_missing = history.coverage.uncovered(keys, StepRange(PAST.last - 10, PAST.last)).any(axis=1)
        assert set(np.flatnonzero(is_missing).tolist()) == unknown
    learner.read(PAST, {team for team in teams if now.covers(team)})
    if now == ALL:
        assert facts(learner.learned) == WHOLE


@settings(max_examples=100)
@given(
    weights=st.dictionaries(st.integers(0, KeyRange().last), st.floats(0.1, 30), max_size=60),
    starts=st.lists(st.integers(0, KeyRange().last), max_size=20),
)
@example(weights={0: 1.0, 1: 22.0, 2: 30.0, 3: 1.0, 4: 20.0, 5: 30.0, 6: 2.0}, starts=[])
def test_ranges_fit_and_leave_nothing_out(weights: dict[int, float], starts: list[int]) -> None:
    """Ranges are adjacent, from the first key to the last; each weighs at most 50 and one key (30) more.

    Planning again splits only the ranges above 50, each into at most three parts: 80 / (0.7 * 50) = 2.3. In
    the example the ranges weigh 53, 51 and 2, so two of them are split again.
    """
    keys, heavy = np.array([*weights], dtype=np.int64), np.array([*weights.values()])

    ranges = plan_ranges(starts, keys, heavy, max_weight=50)

    assert [keys_range.first for keys_range in ranges] == [
        0,
        *(keys_range.last + 1 for keys_range in ranges[:-1]),
    ]
    assert ranges[-1].last == KeyRange().last
    loads = [float(heavy[keys_range.covers(keys)].sum()) for keys_range in ranges]
    assert all(load <= 50 + 30.001 for load in loads)
    assert len(ranges) <= 1 + 4 * sum(loads) / 25
    again = plan_ranges([keys_range.first for keys_range in ranges], keys, heavy, max_weight=50)
    assert len(again) <= len(ranges) + 2 * sum(load > 49.999 for load in loads)  # sums are rounded


def test_ranges_that_fit_stay() -> None:
    """The state grows by a fifth: as long as each shard fits, the ranges stay the same."""
    keys = np.arange(0, 1000, dtype=np.int64)
    ranges = plan_ranges([0], keys, np.ones(1000), max_weight=300)

    grown = plan_ranges([keys_range.first for keys_range in ranges], keys, np.full(1000, 1.2), max_weight=300)

    assert grown == ranges
    assert len(ranges) == 5


def test_a_shard_of_one_workload_can_not_be_halved() -> None:
    """All containers of a workload have the same key."""
    assert halves(KeyRange(), np.array([5, 5, 5])) is None
    assert halves(KeyRange(), np.array([5, 9])) == (KeyRange(0, 8), KeyRange(9, KeyRange().last))

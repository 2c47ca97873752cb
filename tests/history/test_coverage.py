"""Coverage by range of keys and step, compared with a table of flags."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.namespaces import NamespaceSelection
from app.domain.workloads import Workload
from app.history.coverage import Coverage
from app.history.key_ranges import KeyRange, key_of, range_of
from app.history.samples import StepRange
from tests.recommendation.builders import DAY, MIDNIGHT, steps

KEYS = [0, 7, 1000, 1 << 40, KeyRange().last]
RANGES = [
    KeyRange(),
    KeyRange(0, 7),
    KeyRange(7, 7),
    KeyRange(8, 1 << 40),
    KeyRange(1 << 40, KeyRange().last),
]
LENGTH = 600


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, StepRange | KeyRange]]:
    """A sequence of operations: add steps, remove ranges, and copy a range into another coverage."""
    step = st.integers(1, LENGTH)
    answered = st.tuples(step, step).map(lambda ends: ("add", steps(min(ends), max(ends))))
    lost = st.sampled_from(RANGES).map(lambda keys: ("remove", keys))
    taken = st.sampled_from(RANGES).map(lambda keys: ("take", keys))
    return draw(st.lists(st.one_of(answered, lost, taken), max_size=12))


def with_replaced_range(coverage: Coverage, keys: KeyRange) -> Coverage:
    """A full coverage with that of *keys* replaced by *coverage*."""
    whole = Coverage()
    whole.add(steps(1, LENGTH))
    whole.replace(keys, coverage.within(keys))
    return whole


@settings(max_examples=150)
@given(operations=changes())
def test_it_is_a_table_of_keys_and_steps(operations: list[tuple[str, StepRange | KeyRange]]) -> None:
    """Any sequence of operations gives the same flags as a table of keys and steps."""
    coverage, expected = Coverage(), np.zeros((len(KEYS), LENGTH), dtype=np.bool_)
    for operation, of in operations:
        if isinstance(of, StepRange):
            coverage.add(of)
            expected[:, of.first - MIDNIGHT - 1 : of.last - MIDNIGHT] = True
        elif operation == "remove":
            coverage.forget(of)
            expected[of.covers(np.array(KEYS))] = False
        else:
            coverage = with_replaced_range(coverage, of)
            expected[~of.covers(np.array(KEYS))] = True

    assert np.array_equal(~coverage.uncovered(np.array(KEYS), steps(1, LENGTH)), expected)
    rows, columns = (indexes.ravel() for indexes in np.indices(expected.shape))
    uncovered = coverage.uncovered_pairs(np.array(KEYS)[rows], columns + MIDNIGHT + 1)
    assert np.array_equal(~uncovered.reshape(expected.shape), expected)
    of_all = np.concatenate([coverage.covered_for(day) for day in range(DAY, DAY + 3)])[:LENGTH]
    assert np.array_equal(of_all, expected.all(axis=0))


def test_ranges_that_miss_the_same_steps_become_one() -> None:
    """One of 3,000 namespaces is read again: at most 3 ranges while its steps are missing, then 1."""
    coverage = Coverage()
    coverage.add(steps(1, 288))
    for number in range(3000):
        coverage.forget(range_of(f"team-{number}"))
        assert len(coverage.starts) <= 3
        coverage.add(steps(1, 288))
        assert coverage.starts.tolist() == [0]


def test_steps_that_one_namespace_misses_are_missing() -> None:
    """All keys have steps 1 to 300, but one namespace only 1 to 10: the steps 11 to 300 are missing.

    The newest step is the newest of any key: a namespace that fails does not make the others look late.
    """
    coverage = Coverage()
    coverage.add(steps(1, 10))
    before = coverage.within(range_of("late"))
    coverage.add(steps(11, 300))
    coverage.replace(range_of("late"), before)

    assert coverage.missing(steps(1, 300)) == [steps(289, 300), steps(11, 288)]
    assert coverage.newest_step == MIDNIGHT + 300
    late, other = key_of(Workload("late", "web")), key_of(Workload("early", "web"))
    assert coverage.uncovered(np.array([late, other]), steps(10, 11)).tolist() == [
        [False, True],
        [False, False],
    ]


def test_steps_are_added_for_the_answered_namespaces_only() -> None:
    """`late` fails in steps 11 to 20; it alone misses them, and they are added for it alone afterwards."""
    coverage, late = Coverage(), NamespaceSelection(included=frozenset({"late"}))
    others = NamespaceSelection(excluded=frozenset({"late"}))
    coverage.add(steps(1, 10))
    coverage.add(steps(11, 20), others)

    assert coverage.missing(steps(1, 20)) == coverage.missing(steps(1, 20), late) == [steps(11, 20)]
    assert coverage.missing(steps(1, 20), others) == []
    assert coverage.missing(steps(1, 25), others) == [steps(21, 25)]
    coverage.add(steps(11, 20), late)
    assert coverage.missing(steps(1, 20)) == []
    assert coverage.starts.tolist() == [0]


def test_no_namespace_misses_nothing() -> None:
    """A selection that excludes or includes no key at all has no missing steps."""
    nothing = NamespaceSelection(included=frozenset())

    assert Coverage().missing(steps(1, 20), nothing) == []


@pytest.mark.parametrize("namespace", ["emojivoto", "a", "kube-system"])
def test_the_keys_of_a_namespace_lie_together(namespace: str) -> None:
    """The range of a namespace contains the keys of its workloads, and none of another namespace."""
    inside = range_of(namespace)

    assert all(inside.contains(key_of(Workload(namespace, f"app-{n}", "Job"))) for n in range(50))
    assert not inside.contains(key_of(Workload(f"{namespace}-2", "app-1", "Job")))


def test_a_key_never_changes() -> None:
    """Stored check-points depend on it: BLAKE2b of `emojivoto` in 4 bytes, then of `Deployment/web` in 2."""
    assert f"{key_of(Workload('emojivoto', 'web')):012x}" == "36f8faaece60"

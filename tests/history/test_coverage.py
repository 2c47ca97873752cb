"""Which steps were answered, for each range of keys: against a set of (key, step) pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    """Some steps that are answered, ranges of which nothing is known any more, and takings over."""
    step = st.integers(1, LENGTH)
    answered = st.tuples(step, step).map(lambda ends: ("add", steps(min(ends), max(ends))))
    lost = st.sampled_from(RANGES).map(lambda keys: ("remove", keys))
    taken = st.sampled_from(RANGES).map(lambda keys: ("take", keys))
    return draw(st.lists(st.one_of(answered, lost, taken), max_size=12))


def taken_over(coverage: Coverage, keys: KeyRange) -> Coverage:
    """Somebody who has all, but of *keys* what *coverage* has."""
    whole = Coverage()
    whole.add(steps(1, LENGTH))
    whole.replace(keys, coverage.within(keys))
    return whole


@settings(max_examples=150, deadline=None)
@given(told=changes())
def test_it_is_a_table_of_keys_and_steps(told: list[tuple[str, StepRange | KeyRange]]) -> None:
    """Any row of answers, losses and takings over leaves just what a table of flags would hold."""
    coverage, expected = Coverage(), np.zeros((len(KEYS), LENGTH), dtype=np.bool_)
    for what, of in told:
        if isinstance(of, StepRange):
            coverage.add(of)
            expected[:, of.first - MIDNIGHT - 1 : of.last - MIDNIGHT] = True
        elif what == "remove":
            coverage.remove(of)
            expected[of.covers(np.array(KEYS))] = False
        else:
            coverage = taken_over(coverage, of)
            expected[~of.covers(np.array(KEYS))] = True

    assert np.array_equal(~coverage.uncovered(np.array(KEYS), steps(1, LENGTH)), expected)
    rows, columns = (each.ravel() for each in np.indices(expected.shape))
    lacked = coverage.uncovered_pairs(np.array(KEYS)[rows], columns + MIDNIGHT + 1)
    assert np.array_equal(~lacked.reshape(expected.shape), expected)
    of_all = np.concatenate([coverage.covered_for_all(day) for day in range(DAY, DAY + 3)])[:LENGTH]
    assert np.array_equal(of_all, expected.all(axis=0))


def test_ranges_that_lack_the_same_become_one() -> None:
    """One of three thousand namespaces is read again: two cuts while it lacks its past, none afterwards."""
    coverage = Coverage()
    coverage.add(steps(1, 288))
    for number in range(3000):
        coverage.remove(range_of(f"team-{number}"))
        assert len(coverage.starts) <= 3
        coverage.add(steps(1, 288))
        assert coverage.starts.tolist() == [0]


def test_what_somebody_lacks_is_missing_for_all() -> None:
    """Steps 1 to 300 were answered, but to one namespace only those up to 10: 11 to 300 are to be asked."""
    coverage = Coverage()
    coverage.add(steps(1, 10))
    before = coverage.within(range_of("late"))
    coverage.add(steps(11, 300))
    coverage.replace(range_of("late"), before)

    assert coverage.missing(steps(1, 300)) == [steps(289, 300), steps(11, 288)]
    assert coverage.newest_step == MIDNIGHT + 10
    late, other = key_of(Workload("late", "web")), key_of(Workload("early", "web"))
    assert coverage.uncovered(np.array([late, other]), steps(10, 11)).tolist() == [
        [False, True],
        [False, False],
    ]


@pytest.mark.parametrize("namespace", ["emojivoto", "a", "kube-system"])
def test_the_keys_of_a_namespace_lie_together(namespace: str) -> None:
    """Workloads of one namespace, of any kind, and nothing of another one."""
    inside = range_of(namespace)

    assert all(inside.contains(key_of(Workload(namespace, f"app-{n}", "Job"))) for n in range(50))
    assert not inside.contains(key_of(Workload(f"{namespace}-2", "app-1", "Job")))


def test_a_key_never_changes() -> None:
    """What is stored goes by it: BLAKE2b of `emojivoto` in 4 bytes, then of `Deployment/web` in 2."""
    assert f"{key_of(Workload('emojivoto', 'web')):012x}" == "36f8faaece60"

"""The accuracy benchmark: interpolation between prices, limits, tuning, and a whole run."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from app.backtest.scores import DayScores
from app.domain.profiles import Resource, RiskLevel
from benchmarks.accuracy import __main__ as accuracy
from benchmarks.accuracy.frontiers import (
    at_days_above,
    cost_in_cores,
    geometric_mean,
    interpolate,
    overuse_at_waste,
    resampled_overuse_at_waste,
)
from benchmarks.accuracy.limits import Check, tuning_checks
from benchmarks.accuracy.recorded_set import RecordedSet, read_set
from benchmarks.accuracy.subsets import subset_statements
from benchmarks.accuracy.table import check_lines, summary
from benchmarks.accuracy.tuning import Cell, Unit, cpu_cells
from tests.command_line.pasts import write_past


def scores(*days: tuple[int, float, float, bool]) -> DayScores:
    """Days of (series, waste, overuse, whether the maximum is above the value)."""
    series, unused, over, above = (np.array(column) for column in zip(*days, strict=True))
    blank = np.zeros(len(series))
    flags = blank.astype(np.bool_)
    return DayScores(series, blank, blank, unused, over, blank, above, flags, flags, blank)


def test_logarithms_are_interpolated_linearly() -> None:
    """Halfway between y = 1 and y = 100 is 10; nothing is known outside."""
    assert interpolate([2, 1], [100, 1], 1.5) == pytest.approx(10)
    assert math.isnan(interpolate([2, 1], [100, 1], 2.1))
    assert math.isnan(interpolate([2, 1], [100, 1], 0.9))


def test_l36_is_waste_and_36_times_overuse() -> None:
    """1 + 3 cores of waste, .5 over: 4 + 18 = 22."""
    assert cost_in_cores(scores((0, 1, 0.5, False), (1, 3, 0, False))) == pytest.approx(22)


def test_overuse_at_the_waste_of_another_rule() -> None:
    """Prices give (waste, overuse) of (2, 4), (6, 1): at a waste of 4 it is 2, a quarter of the other's 8."""
    frontier = [scores((0, 2, 4, False)), scores((0, 6, 1, False))]

    assert overuse_at_waste(frontier, scores((0, 4, 8, False))) == pytest.approx(0.25)


def test_a_set_of_one_series_is_resampled_as_it_is() -> None:
    """Every draw of one series is that series; of two like ones too."""
    frontier = [scores((0, 2, 4, False)), scores((0, 6, 1, False))]
    random = np.random.default_rng(1)

    ratios = resampled_overuse_at_waste(frontier, scores((0, 4, 8, False)), 1, random)

    assert ratios == pytest.approx(np.full(500, 0.25))


def test_resampling_draws_series_and_not_days() -> None:
    """Series 0 halves the other rule's overuse, series 1 doubles it: both together have 10 of 8."""
    frontier = [scores((0, 4, 2, False), (1, 4, 8, False)), scores((0, 4.1, 2, False), (1, 4.1, 8, False))]
    reference = scores((0, 4.05, 4, False), (1, 4.05, 4, False))

    ratios = resampled_overuse_at_waste(frontier, reference, 2, np.random.default_rng(1))

    assert set(np.round(ratios, 6)) == {0.5, 1.25, 2.0}


def test_memory_at_the_same_days_above() -> None:
    """Prices give 1 and 0 of 2 days above at waste 1 and 9; at half a day of 2, that is a quarter: 3 of 6."""
    frontier = [scores((0, 1, 1, True), (0, 0, 0, False)), scores((0, 9, 1, False), (0, 0, 0, False))]
    reference = scores(*[(0, 1.5, 0.25, number == 0) for number in range(4)])

    assert at_days_above(frontier, reference, "unused") == pytest.approx(3 / 6)
    assert at_days_above(frontier, reference, "over") == pytest.approx(1)


def test_the_geometric_mean() -> None:
    """The root of 2 * 8 is 4; without one of the values there is none."""
    assert geometric_mean([2, 8]) == pytest.approx(4)
    assert math.isnan(geometric_mean([2, float("nan")]))


def test_limits_are_named_as_reached_or_not() -> None:
    """NaN is not reached; what has no limit has no verdict, and does not count."""
    checks = [
        Check("a", "set", 0.5, 0.6),
        Check("b", "set", 0.7, 0.6),
        Check("c", "set", 0.7, 0.8, 0.75),
        Check("d", "set", float("nan"), 1),
        Check("e", "set", 9),
    ]

    assert [check.verdict for check in checks] == ["reached", *["NOT REACHED"] * 3, ""]
    assert summary(checks, 12.3) == "limits: 1 of 4 reached; 12 s"
    lines = list(check_lines(checks))
    assert [line.split()[2:5] for line in lines[1:3]] == [["0.5000", "<=", "0.6"], ["0.7000", "<=", "0.6"]]
    assert "0.75 to 0.8" in lines[3]


def test_halves_of_a_set_overlap_with_the_whole_and_not_with_one_another() -> None:
    """A unit is not judged on its own series."""
    empty = scores((0, 0, 0, False))
    first, second, whole, other = (
        Unit(name, half, empty, ()) for name, half in (("a", 0), ("a", 1), ("a", 2), ("b", 2))
    )

    assert first.overlaps(first)
    assert first.overlaps(whole)
    assert not first.overlaps(second)
    assert not whole.overlaps(other)


def test_cells_are_summed_up() -> None:
    """L36 of .8 and 1.1: the largest is above 1. Memory above KRR in both counts, in one does not."""
    cells = [Cell("a", "b", "", 0.8, 1.1, 0.9), Cell("b", "a", "", 1.1, 1.1, 1.1)]

    largest, mean, above = tuning_checks(cells, cells)

    assert (largest.value, largest.is_reached, above.value) == (1.1, False, 1)
    assert mean.value == pytest.approx(0.95)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> RecordedSet:
    """29 days of two containers, with bursts of 10 of 288 steps."""
    return read_set(write_past(tmp_path_factory.mktemp("accuracy") / "usage.npz", 29))


def test_subsets_state_what_came(past: RecordedSet) -> None:
    """At `low` nothing is above the values: after 7 to 13 days .4 % to .2 % is stated, and bounds hold."""
    statements = subset_statements([past], RiskLevel.LOW)

    assert (statements.held, statements.came) == (1, 0)
    assert 0.03 / 14 < statements.stated < 0.03 / 8 + 0.001


def test_constants_are_tuned_on_halves(past: RecordedSet) -> None:
    """One set has two cells: each half judged on the other one."""
    cells = cpu_cells([past])

    assert [(cell.tuned_on, cell.judged_on) for cell in cells] == [
        ("usage (even)", "usage (odd)"),
        ("usage (odd)", "usage (even)"),
    ]
    assert all(cell.cost > 0 for cell in cells)


def test_a_run_prints_one_table_over_all_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A set of 16 days and a short past: a line for each set and policy, and the exit code 0.

    Both are small, so the only limits are those of the pooled sets.
    """
    sets = [write_past(tmp_path / "days.npz", 16), write_past(tmp_path / "hours.npz", 1)]
    monkeypatch.setattr(sys, "argv", ["accuracy", *map(str, sets)])

    with pytest.raises(SystemExit) as exit_:
        accuracy.main()

    printed = capsys.readouterr()
    _, _, policies = printed.out.partition("All policies on all sets\n")
    table, _, checks = policies.partition("\n\n")
    rows = [line.split()[:2] for line in table.splitlines()[1:]]
    assert exit_.value.code == 0
    assert [name for of_set, name in rows if of_set == "days"] == [
        name for of_set, name in rows if of_set == "hours"
    ]
    assert {"normal", "krr", "krr-no-floor", "vpa", "autopilot", "clairvoyant"} <= {name for _, name in rows}
    assert checks.count("pooled") == 2
    assert "hours: 2 container-days replayed" in printed.err


def test_the_resources_of_a_set_are_scored_apart(past: RecordedSet) -> None:
    """Two containers on 15 days; memory is never above KRR's value, so it has no limits."""
    assert len(past.of("krr", Resource.CPU)) == len(past.of("krr", Resource.MEMORY)) == 30
    assert (past.is_large, past.has_memory) == (False, False)
    assert len(past.frontier(Resource.CPU)) == 10

"""The need of a container that was OOM-killed at its limit: raised until it lives, and not without end.

A first raise is 20 % of the base and 100 MiB at least; each further one is twice as large, and the third is
the last.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest

from app.domain.explanation import explain
from app.domain.pod_names import PodNames
from app.domain.profiles import Pressure, Resource, ResourceProfile
from app.domain.workloads import Workload
from app.history.checkpoint.arrays import read_usage, usage_arrays
from app.history.samples import STEPS_PER_DAY, PodContainer, PressureSamples, StepRange
from app.history.usage import UsageState
from app.history.usage_history import UsageHistory
from app.recommendation.active_containers import ContainerChecks
from app.recommendation.kill_needs import needs_after_kills
from app.recommendation.policy import EstimationPolicy
from app.recommendation.recommender import Recommender
from tests.recommendation.builders import MIDNIGHT, WEB, WEB_POD, usage

MIB, GIB = 1024**2, 1024**3
ATTRIBUTE = PodNames().workload
HOUR = 12


@dataclass
class Killed:
    """Web's container `app`, whose template has the limit *given* (None: it has none).

    It has been measured for a day; *need* is what it takes before it lives.
    """

    used: float = 600 * MIB
    given: float | None = GIB
    history: UsageHistory = field(default_factory=lambda: UsageHistory(timeslots=4, retained_days=29))
    newest: int = MIDNIGHT + STEPS_PER_DAY

    def __post_init__(self) -> None:
        self.uses(self.used, STEPS_PER_DAY - 1)
        self.recommender = Recommender(self.history.state)

    def uses(self, amount: float, steps: int = 1) -> None:
        """It uses *amount* for some steps."""
        of = StepRange(self.newest - steps + 1, self.newest)
        self.history.fold(usage(of, (WEB_POD, "app", amount), resource=Resource.MEMORY), ATTRIBUTE)

    def is_killed_at(self, limit: float, *, used: float | None = None) -> float:
        """Its need an hour later, after a kill; by default nothing more was measured than ever."""
        self.newest += HOUR
        self.uses(self.used if used is None else used)
        self.history.fold_pressure(kill(self.newest, limit), ATTRIBUTE)
        return self.value()

    def value(self) -> float:
        """The value of its profile."""
        return float(self.profile().value)

    def profile(self) -> ResourceProfile:
        """Its profile now."""
        (profile,) = self.recommender.recommend(
            Resource.MEMORY, EstimationPolicy(), newest_step=self.newest, checks=checks(self.given)
        ).profiles
        return profile


def kill(step: int, limit: float) -> PressureSamples:
    """A kill of web's `app` at *step*, at a *limit* (NaN if it is not known)."""
    return PressureSamples(
        Pressure.OOM_KILLED,
        StepRange(step, step),
        (PodContainer(WEB.namespace, WEB_POD, "app"),),
        np.array([0]),
        np.array([step]),
        np.ones(1),
        limits_bytes=np.array([limit], dtype=float),
    )


def checks(given: float | None) -> ContainerChecks:
    """A template with this limit."""

    def never(_workload: Workload, _container: str) -> bool:
        return False

    return ContainerChecks(never, never, never, lambda _workload, _container: given)


@pytest.mark.parametrize(
    ("lowest", "highest", "given", "least"),
    [
        pytest.param(1024, 1024, 1024, 1024 + 204.8, id="first: 20 %"),
        pytest.param(1024, 1228.8, 1024, 1024 + 3 * 204.8, id="second: 20 % and twice as much"),
        pytest.param(1024, 1638.4, 1024, 1024 + 7 * 204.8, id="third: four times as much more"),
        pytest.param(1024, 9999, 1024, 1024 + 7 * 204.8, id="no further raise"),
        pytest.param(64, 64, 64, 164, id="100 MiB at least"),
        pytest.param(300, 600, 2048, 1000, id="below the given limit: 600 + 100 + (600 - 300)"),
        pytest.param(300, 600, np.nan, 1000, id="no given limit: 300 + 7 * 100"),
        pytest.param(64, 8192, 8192, 8192 * 1.2, id="the owner raised it: from there on"),
    ],
)
def test_the_need_by_hand(lowest: float, highest: float, given: float, least: float) -> None:
    """In MiB; the names of the cases have the sums. The limit is what was used at most."""
    amounts = (np.array([one * MIB]) for one in (lowest, highest, given, highest))

    needs = needs_after_kills(*amounts)

    assert needs.least[0] / MIB == pytest.approx(least)


def test_a_kill_above_all_usage_lifts_the_value_over_the_limit() -> None:
    """Killed at 1 GiB with 600 MiB measured: 1.2 GiB, where 20 % of the choice would be some 860 MiB."""
    assert Killed().is_killed_at(GIB) == pytest.approx(1.2 * GIB, rel=1e-6)


def test_a_kill_far_below_the_limit_is_the_nodes() -> None:
    """With 1 GiB measured of a limit of 64 GiB, the need is 2 GiB and 20 % of that: not 76.8 GiB."""
    killed = Killed(used=GIB, given=64.0 * GIB)

    assert killed.is_killed_at(64 * GIB) == pytest.approx(2.4 * GIB, rel=1e-6)


def test_a_kill_without_a_known_limit_raises_the_usage() -> None:
    """600 MiB of usage, times e^.18 as ever (the width after a day is .1 / 2), times 1.2 for the kill."""
    assert Killed().is_killed_at(np.nan) == pytest.approx(600 * MIB * np.exp(0.18) * 1.2, rel=1e-3)


@pytest.mark.parametrize(("ratio", "living", "expected"), [(1.0, 1.1, 1), (1.0, 2.3, 3), (1.5, 3.5, 2)])
def test_a_crash_loop_ends_within_three_restarts(ratio: float, living: float, expected: int) -> None:
    """With limits of *ratio* times the value; the given limit is 1 GiB, and it lives with *living* GiB.

    What is measured is 60 % of each limit. At a ratio of 1 the limits are 1.2, 1.6 and 2.4 GiB, at 1.5 they
    are 1.8 and 1.5 * 2.4 = 3.6 GiB.
    """
    container, limit, restarts = Killed(), float(GIB), 0
    while limit < living * GIB and restarts < 5:
        limit = ratio * container.is_killed_at(limit, used=0.6 * limit)
        restarts += 1

    assert restarts == expected


@pytest.mark.parametrize("ratio", [1.0, 1.5])
@pytest.mark.parametrize("given", [float(GIB), None])
def test_a_leak_is_not_fed(ratio: float, given: float | None) -> None:
    """It fills every limit and is killed there, twice a day for two weeks: 2.4 GiB is the last value."""
    container, limit = Killed(given=given), float(GIB)
    for _ in range(28):
        container.newest += 11 * HOUR
        limit = ratio * container.is_killed_at(limit, used=0.999 * limit)

    assert container.value() == pytest.approx(2.4 * GIB, rel=1e-6)
    assert "The raises end here: look for a leak" in explain(container.profile())


def test_usage_above_the_limit_counts_again() -> None:
    """Killed at 1 GiB, it lives with 1.1 GiB: a day later the value is chosen from usage, times 1.2 or less.

    Until then it is at least that of the kill: a few samples of a day hardly move a choice.
    """
    container = Killed()
    container.is_killed_at(GIB)
    container.newest += 1
    container.uses(1.1 * GIB)
    assert container.value() >= 1.2 * GIB * (1 - 1e-6)

    container.newest += STEPS_PER_DAY
    container.uses(1.1 * GIB, STEPS_PER_DAY - HOUR)
    assert 1.1 * GIB < container.value() < 1.1 * GIB * 1.3 * 1.2


def test_a_kill_is_remembered_for_four_weeks() -> None:
    """Its value does not shrink into the loop again after the three days in which a raise wears off."""
    container = Killed()
    container.is_killed_at(GIB)
    for expected in (True, False):
        container.newest += 27 * STEPS_PER_DAY if expected else 2 * STEPS_PER_DAY
        container.uses(600 * MIB, STEPS_PER_DAY)
        assert (container.value() > GIB) is expected


def test_a_kill_in_an_open_step_counts_at_once() -> None:
    """And once, after it has settled: the step is read three times."""
    container = Killed()
    container.newest += HOUR
    container.uses(600 * MIB)
    for later in range(3):
        container.history.fold_pressure(kill(container.newest, GIB), ATTRIBUTE, container.newest + later)
        assert container.value() == pytest.approx(1.2 * GIB, rel=1e-6)


def test_kills_in_any_order_and_read_twice_give_the_same() -> None:
    """And so does a check-point of them."""
    limits = [GIB, 1.2 * GIB, 0.5 * GIB]
    first, second = Killed(), Killed()
    for of, ordered in ((first, limits), (second, limits[::-1])):
        for limit in ordered:
            of.is_killed_at(limit)
            of.history.fold_pressure(kill(of.newest, limit), ATTRIBUTE)

    restored = UsageState(timeslots=4, retained_days=29)
    restored.series.renumber(first.history.state.series.index)
    read_usage(restored, dict(usage_arrays(first.history.state)))
    again = Recommender(restored).recommend(
        Resource.MEMORY, EstimationPolicy(), newest_step=first.newest, checks=checks(GIB)
    )

    assert first.value() == second.value() == float(again.profiles[0].value)
    assert Decimal(first.profile().value) > Decimal(str(1.2 * GIB))

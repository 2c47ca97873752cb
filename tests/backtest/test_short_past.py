"""Pasts that are too short to evaluate a day: the first six hours of each container, and what follows."""

from dataclasses import replace

import numpy as np
import pytest

from app.backtest.protocol import EvaluationPeriod, evaluated_usage
from app.backtest.replay import Replay, replay
from app.backtest.report import document
from app.backtest.usage import Lanes, Usage
from app.domain.profiles import Resource
from tests.backtest.pasts import FIRST_DAY, GIBIBYTE, WEB, Day, day, usage

SHORT = EvaluationPeriod(1, 1, is_short_past=True)


def replayed(past: Usage) -> Replay:
    evaluated = evaluated_usage(past)
    assert evaluated
    return replay(*evaluated)


def test_containers_start_together() -> None:
    """One container starts at 1 o'clock of the first day, the other at noon: both at 18 o'clock of day 0.

    The first has samples of 23 hours of one day, its 6 hours are followed by 17. Of the second the 6 hours
    are followed by 18, of which 12 are on the next day.
    """
    first = np.array([day((12, np.nan), (276, 1.0)), day((0, 1.0))])
    second = np.array([day((144, np.nan), (144, 2.0)), day((144, 2.0))])
    values = np.stack([first, second]).astype(np.float32)
    lanes = {resource: Lanes(np.arange(2), values, 2) for resource in Resource}
    past = Usage(FIRST_DAY, (WEB, replace(WEB, container="other")), lanes, {})

    aligned = past.aligned_starts(6)

    samples = np.isfinite(aligned.lanes[Resource.CPU].values)
    assert samples.sum(axis=2).tolist() == [[72, 17 * 12], [72, 18 * 12]]
    assert samples[:, 0, -72:].all()
    assert aligned.first_day + 1 == FIRST_DAY
    assert np.nanmax(aligned.lanes[Resource.MEMORY].values[1]) == 2


def test_one_day_is_evaluated_after_its_first_six_hours() -> None:
    """1 core for six hours, 3 cores for the rest of the day: 18 hours are judged, all above every value.

    KRR's value is 1 core, so 2 cores are over. Ours is raised by .5 / (1 + 1/4)^2 = 32 %, to 1.32 (within a
    bucket), so 1.68 are. Memory is steady: its slack at KRR's is 1 - 1 / 1.15 = .130.
    """
    policies = replayed(usage([day((72, 1.0), (216, 3.0))])).policies

    krr, ours = policies["krr"].scores, policies["normal"].scores
    assert krr[Resource.CPU].container_days == 1
    assert krr[Resource.CPU].overuse == pytest.approx(2)
    assert krr[Resource.MEMORY].relative_slack == pytest.approx(0.130, abs=1e-3)
    assert ours[Resource.CPU].overuse == pytest.approx(1.68, abs=0.07)
    assert ours[Resource.CPU].time_above == 1
    assert policies["normal"].statements is not None


def test_a_short_past_has_no_packing_and_no_updater() -> None:
    """Containers that started at different times of the day can't be placed on nodes together."""
    scores = document(replayed(usage([1.0])))

    assert scores["judged"] == {
        "first_day": "2024-10-04",
        "last_day": "2024-10-04",
        "containers": 1,
        "container_days": 1,
        "short_past": True,
    }
    assert (scores["policies"]["normal"]["nodes"], scores["updater"]) == (None, {})


@pytest.mark.parametrize(
    ("steps", "period"),
    [pytest.param(143, None, id="one-step-short"), pytest.param(144, SHORT, id="twelve-hours")],
)
def test_six_hours_after_the_first_six_are_needed(steps: int, period: EvaluationPeriod | None) -> None:
    """72 steps to learn from and 72 to judge."""
    evaluated = evaluated_usage(usage([day((steps, 1.0))], GIBIBYTE))

    assert (evaluated[1] if evaluated else None) == period


def test_gaps_in_the_first_hours_are_allowed() -> None:
    """200/288 of 72 steps, 50, must be there: 22 may be missing, 23 not."""

    def past(missing: int) -> Usage:
        return usage([day((1, 1.0), (missing, np.nan), (71 - missing, 1.0), (216, 1.0))])

    assert evaluated_usage(past(22)) is not None
    assert evaluated_usage(past(23)) is None


def test_two_days_of_which_none_can_be_evaluated_are_a_short_past() -> None:
    """From 20 o'clock to 16 o'clock of the next day: no day has 200 steps before it to learn from."""
    days: list[Day] = [day((240, np.nan), (48, 1.0)), day((192, 1.0))]
    evaluated = evaluated_usage(usage(days))

    assert evaluated is not None
    assert evaluated[1] == SHORT


def test_a_longer_past_is_evaluated_by_days() -> None:
    """Two whole days: the second one is evaluated, the usage is as it was."""
    past = usage([1.0, 1.0])

    assert evaluated_usage(past) == (past, EvaluationPeriod(1, 1))

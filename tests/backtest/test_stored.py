"""What a stored profile tells, and which reasons are named for another number."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.backtest.explanation import ContainerPast, Explanation, bound_scale_of, elapsed_of, explain
from app.backtest.stored import StoredNeed, read_stored, sum_of, told_differently
from app.domain.profiles import Resource, RiskLevel
from app.recommendation.stated_risk import BOUND_SCALE
from tests.backtest.pasts import FIRST_DAY, WEB, day, usage

BEGIN = datetime.fromtimestamp(FIRST_DAY * 86_400, UTC)
END = BEGIN + timedelta(days=15)
ANNOTATION = "job-profiler.liqo.io/workload"


def manifest(**status: Any) -> dict[str, Any]:
    """The object of `shop/web`, 1.5 cores, as of the end of fifteen days."""
    window = {"start": BEGIN.isoformat(), "end": END.isoformat()}
    notes = {
        f"{ANNOTATION}-kind": "Deployment",
        f"{ANNOTATION}-namespace": "shop",
        f"{ANNOTATION}-name": "web",
    }
    return {
        "metadata": {"name": "cpuprofile-1", "annotations": notes},
        "spec": {"cpuProfiling": {"value": "1.500", "updateTime": "2026-03-04T12:00:00Z"}},
        "status": {"window": window, "containers": [{"name": "main", "value": "1.500"}]} | status,
    }


def stored(**status: Any) -> StoredNeed:
    found = read_stored(WEB.workload, Resource.CPU, manifest(**status))
    assert found
    return found


@pytest.fixture(scope="module")
def anew() -> Explanation:
    """Fifteen days of one core, the last one being today."""
    told = explain(ContainerPast(usage([1.0] * 15), Resource.CPU, 0), RiskLevel.NORMAL, 1.0)
    assert told
    return told


def test_an_object_is_read_as_far_as_it_tells() -> None:
    """All of it, or nothing but the value where there is no status."""
    whole = stored(explanation="From 4,032 samples.", risk={"level": "low"})
    bare = read_stored(WEB.workload, Resource.CPU, {**manifest(), "status": None})

    assert (whole.name, whole.value, whole.level) == ("cpuprofile-1", "1.500", "low")
    assert (whole.since, whole.as_of, whole.explanation) == (BEGIN, END, "From 4,032 samples.")
    assert bare
    assert (bare.value, bare.since, bare.explanation, bare.containers) == ("1.500", None, "", {})


def test_what_is_of_another_workload_is_not_taken() -> None:
    """A name alone does not tell whose profile it is."""
    other = manifest()
    other["metadata"]["annotations"][f"{ANNOTATION}-kind"] = "StatefulSet"

    assert read_stored(WEB.workload, Resource.CPU, other) is None


SIGN = {"container": "main", "reason": "OOMKilled", "lastSeen": "2026-03-04T12:00:00Z", "raisedBy": "0.20"}
TWO = [{"name": "main", "value": "1.000"}, {"name": "proxy", "value": "0.500"}]


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        pytest.param({}, [], id="all-alike"),
        pytest.param(
            {"signals": [SIGN]},
            ["An OOM kill of main, last seen 2026-03-04T12:00:00Z, raises it by 20%"],
            id="sign-of-need",
        ),
        pytest.param(
            {"containers": [{"name": "main", "siblings": 3}]},
            ["Siblings whose value main has: 3 there, 0 in what was read here"],
            id="siblings",
        ),
        pytest.param({"containers": TWO}, ["It also sums up proxy"], id="one-more"),
        pytest.param(
            {"containers": TWO[1:]}, ["It leaves out main", "It also sums up proxy"], id="another-container"
        ),
        pytest.param({"containers": None}, [], id="an-old-object"),
        pytest.param(
            {"risk": {"level": "low"}}, ["It was made at low risk, this at normal (--risk)."], id="risk"
        ),
        pytest.param(
            {"window": {"start": (BEGIN + timedelta(days=7)).isoformat(), "end": END.isoformat()}},
            ["It knows no usage before 2024-10-11T00:00:00Z, this one begins on 2024-10-04."],
            id="a-young-profiler",
        ),
        pytest.param(
            {"window": {"start": BEGIN.isoformat(), "end": (END - timedelta(days=3)).isoformat()}},
            ["It rests on usage up to 2024-10-16T00:00:00Z, this one up to 2024-10-17."],
            id="old",
        ),
        pytest.param(
            {"conditions": [{"type": "Stale", "status": "True"}]}, ["It is Stale"], id="no-new-usage"
        ),
    ],
)
def test_reasons_are_named_where_they_are_there(
    anew: Explanation, status: dict[str, Any], reasons: list[str]
) -> None:
    """Day 20,000 is 2024-10-04; the choice rests on the fourteen days up to 2024-10-17."""
    found = list(told_differently(stored(**status), [anew], RiskLevel.NORMAL))

    assert len(found) == len(reasons)
    assert all(told.startswith(reason) for told, reason in zip(found, reasons, strict=True))


def test_containers_together_are_spelled_as_a_profile_is(anew: Explanation) -> None:
    """Twice 1.0044 cores, each within 5 % of it at most: in whole millicores, upwards."""
    assert float(sum_of([anew, anew])) == pytest.approx(2 * anew.chosen.value, abs=0.001)
    assert len(sum_of([anew]).partition(".")[2]) == 3


def test_the_bound_s_scale_rests_on_past_statements() -> None:
    """Nothing was ever above: each of a week's statements would have held with scale 0.

    The last seven of 14 closed days tell, 7 outcomes of 0 beside the default's 200: .85 * 200 / 207 = .821.
    Without a past there is only the default.
    """
    steady, young = usage([1.0] * 15), usage([np.nan, day((12, 1.0))])

    assert bound_scale_of(steady, RiskLevel.NORMAL).scale == pytest.approx(BOUND_SCALE * 200 / 207)
    assert bound_scale_of(steady, RiskLevel.NORMAL).workloads == 1
    assert bound_scale_of(young, RiskLevel.NORMAL).scale == BOUND_SCALE
    assert elapsed_of(288) == 1

"""Stored profiles, and the reasons why a computed value differs."""

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import numpy as np
import pytest

from app.backtest.explanation import ContainerUsage, Explanation, bound_scale_of, explain
from app.backtest.profile_needs import ProfileNeed, read_need
from app.backtest.stored import difference_reasons, shown_sum
from app.domain.profiles import Resource, RiskLevel
from app.recommendation.stated_risk import BOUND_SCALE
from tests.backtest.pasts import FIRST_DAY, WEB, day, usage

BEGIN = datetime.fromtimestamp(FIRST_DAY * 86_400, UTC)
END = BEGIN + timedelta(days=15)
ANNOTATION = "job-profiler.liqo.io/workload"


def manifest(**status: Any) -> dict[str, Any]:
    """The CPU profile of `shop/web`: 1.5 cores, from fifteen days of usage."""
    window = {"start": BEGIN.isoformat(), "end": END.isoformat()}
    annotations = {
        f"{ANNOTATION}-kind": "Deployment",
        f"{ANNOTATION}-namespace": "shop",
        f"{ANNOTATION}-name": "web",
    }
    return {
        "metadata": {"name": "cpuprofile-1", "annotations": annotations},
        "spec": {"cpuProfiling": {"value": "1.500", "updateTime": "2026-03-04T12:00:00Z"}},
        "status": {"window": window, "containers": [{"name": "main", "value": "1.500"}]} | status,
    }


def stored(**status: Any) -> ProfileNeed:
    need = read_need(WEB.workload, Resource.CPU, manifest(**status))
    assert need
    return need


@pytest.fixture(scope="module")
def computed() -> Explanation:
    """The explanation for fifteen days of one core, the last one today."""
    explanation = explain(ContainerUsage(usage([1.0] * 15), Resource.CPU, 0), RiskLevel.NORMAL)
    assert explanation
    return explanation


def test_an_object_is_read_with_and_without_status() -> None:
    """All fields are read; without a status, only the value."""
    whole = stored(explanation="From 4,032 samples.", risk={"level": "low"})
    bare = read_need(WEB.workload, Resource.CPU, {**manifest(), "status": None})

    assert (whole.name, whole.value, whole.level) == ("cpuprofile-1", "1.500", "low")
    assert (whole.since, whole.as_of, whole.explanation) == (BEGIN, END, "From 4,032 samples.")
    assert (whole.containers, whole.values) == ({"main": 0}, {"main": "1.500"})
    assert bare
    assert (bare.value, bare.since, bare.explanation, bare.containers) == ("1.500", None, "", {})


def test_a_profile_of_another_workload_is_not_read() -> None:
    """The profile is ignored although its name is the same."""
    other = manifest()
    other["metadata"]["annotations"][f"{ANNOTATION}-kind"] = "StatefulSet"

    assert read_need(WEB.workload, Resource.CPU, other) is None


SIGNAL = {"container": "main", "reason": "OOMKilled", "lastSeen": "2026-03-04T12:00:00Z", "raisedBy": "0.20"}
TWO = [{"name": "main", "value": "1.000"}, {"name": "proxy", "value": "0.500"}]


@pytest.mark.parametrize(
    ("status", "reasons"),
    [
        pytest.param({}, [], id="all-alike"),
        pytest.param(
            {"signals": [SIGNAL]},
            ["An OOM kill of main (last seen 2026-03-04T12:00:00Z) raises the stored value by 20%"],
            id="pressure",
        ),
        pytest.param(
            {"containers": [{"name": "main", "siblings": 3}]},
            ["Siblings of main: 3 in the stored profile, 0 in the usage that was read"],
            id="siblings",
        ),
        pytest.param({"containers": TWO}, ["The stored value includes proxy"], id="one-more"),
        pytest.param(
            {"containers": TWO[1:]},
            ["The stored value omits main", "The stored value includes proxy"],
            id="another-container",
        ),
        pytest.param({"containers": None}, [], id="an-old-object"),
        pytest.param(
            {"risk": {"level": "low"}},
            ["The stored value is for low risk, the computed one for normal risk (--risk)."],
            id="risk",
        ),
        pytest.param(
            {"window": {"start": (BEGIN + timedelta(days=7)).isoformat(), "end": END.isoformat()}},
            ["The stored value uses usage since 2024-10-11T00:00:00Z, the computed one since 2024-10-04."],
            id="a-young-profiler",
        ),
        pytest.param(
            {"window": {"start": BEGIN.isoformat(), "end": (END - timedelta(days=3)).isoformat()}},
            ["The stored value uses usage up to 2024-10-16T00:00:00Z, the computed one up to 2024-10-17."],
            id="old",
        ),
        pytest.param(
            {"conditions": [{"type": "Stale", "status": "True"}]},
            ["The stored profile is Stale"],
            id="no-new-usage",
        ),
    ],
)
def test_reasons_for_differences(computed: Explanation, status: dict[str, Any], reasons: list[str]) -> None:
    """Day 20,000 is 2024-10-04; the computed value uses the fourteen days up to 2024-10-17."""
    texts = list(difference_reasons(stored(**status), [computed], RiskLevel.NORMAL))

    assert len(texts) == len(reasons)
    assert all(text.startswith(reason) for text, reason in zip(texts, reasons, strict=True))


def test_the_sum_over_containers_is_shown_like_a_need(computed: Explanation) -> None:
    """The sum of two values is in whole millicores, rounded up once."""
    assert shown_sum([computed, computed]) == f"{ceil(2000 * computed.chosen.value)}m"
    assert shown_sum([computed]) == f"{ceil(1000 * computed.chosen.value)}m"


def test_the_scale_of_the_bound_follows_past_outcomes() -> None:
    """If usage was never above the value, each of a week's bounds would have held with scale 0.

    The last seven of 14 complete days give 7 outcomes of 0, the default has the weight of 200 outcomes:
    .9 * 200 / 207 = .87. Without history the scale is the default.
    """
    steady, young = usage([1.0] * 15), usage([np.nan, day((12, 1.0))])

    assert bound_scale_of(steady, RiskLevel.NORMAL).scale == pytest.approx(BOUND_SCALE * 200 / 207)
    assert bound_scale_of(steady, RiskLevel.NORMAL).workloads == 1
    assert bound_scale_of(young, RiskLevel.NORMAL).scale == BOUND_SCALE

"""Reading VerticalPodAutoscalers that people wrote, and writing their status."""

from typing import Any

import pytest

from app.domain.workloads import Workload
from app.vpa.autoscaler import read_autoscaler
from app.vpa.status import AutoscalerStatus, Condition, read_status, to_manifest
from app.vpa.update_mode import UpdateMode
from tests.vpa.objects import vpa

STORED = {
    "observedGeneration": 3,
    "conditions": [
        {"type": "RecommendationProvided", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"}
    ],
    "recommendation": {
        "containerRecommendations": [
            {
                "containerName": "main",
                "target": {"cpu": "404m"},
                "lowerBound": {"cpu": "300m"},
                "upperBound": {"cpu": "667m"},
                "uncappedTarget": {"cpu": "404m"},
            }
        ]
    },
}


def test_an_object_is_read() -> None:
    """Namespace, target, mode and recommenders; without a mode it is the API's default."""
    autoscaler = read_autoscaler(vpa(status=STORED))

    assert autoscaler.key == ("shop", "web")
    assert autoscaler.target == Workload("shop", "web")
    assert (autoscaler.mode, autoscaler.recommenders) == (UpdateMode.RECREATE, ("job-profiler",))
    assert read_autoscaler(vpa(updatePolicy={"updateMode": "Off"})).mode is UpdateMode.OFF


def test_without_recommenders_it_is_that_of_vpa() -> None:
    """An object that names none is served by the one called `default`."""
    assert read_autoscaler(vpa(recommenders=[])).recommenders == ("default",)
    assert read_autoscaler(vpa(recommenders=None)).recommenders == ("default",)


def test_a_name_that_is_repeated_is_one_recommender() -> None:
    """Two different ones stay two."""
    twice = [{"name": "job-profiler"}, {"name": "job-profiler"}]

    assert read_autoscaler(vpa(recommenders=twice)).recommenders == ("job-profiler",)
    assert len(read_autoscaler(vpa(recommenders=[*twice, {"name": "x"}])).recommenders) == 2


@pytest.mark.parametrize(
    "value", [None, 1, "x", [], [1, None], {"a": 1}, [{"name": 1}], {"containerPolicies": 1}]
)
@pytest.mark.parametrize("place", ["targetRef", "recommenders", "updatePolicy", "resourcePolicy"])
def test_any_content_can_be_read(place: str, value: object) -> None:
    """Nothing that is in a field raises an exception."""
    manifest: dict[str, Any] = vpa(status=value)
    manifest["spec"][place] = value

    assert read_autoscaler(manifest).name == "web"


@pytest.mark.parametrize("target", [{"kind": "Pod", "name": "a-1-" * 64}, {"kind": "K" * 64, "name": "web"}])
def test_a_name_that_no_object_can_have_is_no_target(target: dict[str, str]) -> None:
    """Names have at most 253 characters (64 * 4 is 256), kinds 63.

    Matching longer ones with the patterns of generated names would stop the leader: 240,000 characters took
    two minutes.
    """
    assert not read_autoscaler(vpa(target=target)).has_target
    longest = read_autoscaler(vpa(target={"kind": "K" * 63, "name": "a" * 253}))
    assert longest.target == Workload("shop", "a" * 253, "K" * 63)


def test_a_status_survives_the_way_to_the_object_and_back() -> None:
    """What is written is what is read; a quantity without quotation marks is a text."""
    status = read_status(STORED)

    assert to_manifest(status) == STORED
    assert read_status(to_manifest(status)) == status
    number = {"recommendation": {"containerRecommendations": [{"target": {"cpu": 1}}]}}
    assert list(read_status(number).recommendations[0].target.values()) == ["1"]


def test_times_are_no_difference() -> None:
    """A condition keeps the time of its last change, and gets a new one with another status."""
    stored = read_status(STORED)
    same = AutoscalerStatus(stored.recommendations, (Condition("RecommendationProvided", is_true=True),), 3)
    other = AutoscalerStatus((), (Condition("RecommendationProvided", is_true=False),), 3)

    assert same.says_the_same(stored)
    assert same.at("2026-03-02T12:00:00Z", stored) == stored
    assert not other.says_the_same(stored)
    assert other.at("2026-03-02T12:00:00Z", stored).conditions[0].since == "2026-03-02T12:00:00Z"


def test_a_recommendation_is_taken_back_explicitly() -> None:
    """Server-side apply leaves a field that another manager wrote, unless something is in its place."""
    empty = AutoscalerStatus()

    assert "recommendation" not in to_manifest(empty)
    assert to_manifest(empty, replaces_recommendation=True)["recommendation"] == {
        "containerRecommendations": []
    }

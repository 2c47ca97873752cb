"""Which VerticalPodAutoscalers of its own the profiler applies and deletes."""

from typing import Any

import pytest

from app.domain.workloads import Workload
from app.vpa.autoscaler import read_autoscaler
from app.vpa.keeping import NOTHING, Steps, by_target, decide
from app.vpa.labels import UNDECIDED, LabelReading, WantedAutoscaler
from app.vpa.ownership import exported_name, own_manifest, own_name
from app.vpa.update_mode import UpdateMode
from tests.vpa.objects import RECOMMENDER, WEB, stored, vpa

OFF = LabelReading(WantedAutoscaler(UpdateMode.OFF))
NAME = "job-profiler-deployment-web"


def own(reading: LabelReading = OFF, uid: str = "uid-web", workload: Workload = WEB) -> dict[str, Any]:
    """The object that the profiler keeps, as the API server has it."""
    assert reading.wanted
    return stored(own_manifest(workload, uid, reading.wanted, RECOMMENDER))


def steps(reading: LabelReading, *objects: dict[str, Any], workload: Workload = WEB) -> Steps:
    """The steps beside these objects."""
    return decide(workload, "uid-web", reading, by_target(map(read_autoscaler, objects)), RECOMMENDER)


def deleted(found: Steps) -> list[str]:
    """The names of the objects that are to go, where nothing is to be applied."""
    assert found == Steps(delete=found.delete)
    return [autoscaler.name for autoscaler in found.delete]


def test_the_object_of_a_workload() -> None:
    """It is the workload's, names the recommender, and changes requests only."""
    assert steps(OFF).apply == {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {
            "name": NAME,
            "namespace": "shop",
            "labels": {"app.kubernetes.io/managed-by": "job-profiler"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-web"}
            ],
        },
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "recommenders": [{"name": RECOMMENDER}],
            "updatePolicy": {"updateMode": "Off"},
            "resourcePolicy": {
                "containerPolicies": [{"containerName": "*", "controlledValues": "RequestsOnly"}]
            },
        },
    }


def test_other_labels_are_in_the_object() -> None:
    """The number of replicas, and limits that move with requests."""
    wanted = WantedAutoscaler(UpdateMode.RECREATE, requests_only=False, min_replicas=1)
    found = steps(LabelReading(wanted)).apply

    assert found
    assert found["spec"]["updatePolicy"] == {"updateMode": "Recreate", "minReplicas": 1}
    policies = [{"containerName": "*", "controlledValues": "RequestsAndLimits"}]
    assert found["spec"]["resourcePolicy"] == {"containerPolicies": policies}


def test_an_unchanged_object_is_left() -> None:
    """Status, generation, other metadata and fields that others add do not count."""
    present = own()
    present["metadata"] |= {"annotations": {"example.org/note": "x"}, "generation": 7}
    present["spec"]["updatePolicy"]["evictionRequirements"] = []

    assert steps(OFF, present) is NOTHING


@pytest.mark.parametrize(
    "present",
    [
        pytest.param(own(LabelReading(WantedAutoscaler(UpdateMode.RECREATE))), id="mode"),
        pytest.param(own(LabelReading(WantedAutoscaler(UpdateMode.OFF, min_replicas=1))), id="replicas"),
        pytest.param(own(LabelReading(WantedAutoscaler(UpdateMode.OFF, requests_only=False))), id="limits"),
        pytest.param(own(uid="uid-before"), id="the workload was made anew"),
        pytest.param(
            own() | {"spec": own()["spec"] | {"targetRef": {"kind": "Deployment", "name": "api"}}},
            id="target",
        ),
    ],
)
def test_an_object_that_differs_is_applied(present: dict[str, Any]) -> None:
    """Labels changed, or a person edited it, also its target."""
    assert steps(OFF, present).apply == own_manifest(
        WEB, "uid-web", WantedAutoscaler(UpdateMode.OFF), RECOMMENDER
    )


def test_the_object_goes_with_the_label() -> None:
    """Without one there is nothing to do."""
    assert deleted(steps(LabelReading(), own())) == [NAME]
    assert steps(LabelReading()) is NOTHING


def test_a_wrong_label_changes_nothing() -> None:
    """Neither is an object made, nor one changed or deleted."""
    assert steps(UNDECIDED) is steps(UNDECIDED, own(uid="uid-before")) is NOTHING


@pytest.mark.parametrize("reading", [OFF, UNDECIDED, LabelReading()])
def test_none_stays_beside_anothers(reading: LabelReading) -> None:
    """Whoever makes an object for the same target, of any mode and recommender, has the only one."""
    others = stored(vpa("mine", recommenders=[]), manager="kubectl")

    assert deleted(steps(reading, others, own())) == [NAME]
    assert steps(reading, others) is NOTHING


def test_what_is_not_ours_stays() -> None:
    """One of the name that lacks the field manager or the label, and a copy under another name."""
    applied_by_another = stored(vpa(NAME), manager="kubectl")
    given_up = own()
    given_up["metadata"]["labels"] = {}
    copied = own()
    copied["metadata"]["name"] = "copy"

    for present in (applied_by_another, given_up, copied):
        assert steps(LabelReading(), present) is steps(OFF, present) is NOTHING


def test_a_name_that_is_taken() -> None:
    """Another's object for another target has the name: it stays, and the fault is named."""
    others = stored(vpa(NAME, target={"kind": "Deployment", "name": "api"}), manager="kubectl")

    assert steps(OFF, others) == Steps(
        fault=f"the name {NAME} is taken by a VerticalPodAutoscaler of another writer"
    )


def test_workloads_of_one_name() -> None:
    """Their objects have different names, none of which is that of an object that a person exported."""
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
    workloads = [Workload("shop", "web", kind) for kind in kinds]

    assert len({name(workload) for workload in workloads for name in (own_name, exported_name)}) == 8


def test_long_names_are_shortened() -> None:
    """253 characters is what names have; two long ones of one beginning stay two."""
    first, second = (Workload("shop", "w" * 250 + end) for end in ("abc", "abd"))

    assert len(own_name(first)) == len(exported_name(first)) == 253
    assert own_name(first) != own_name(second)
    assert ".-" not in own_name(Workload("shop", "a" * 217 + "." + "b" * 34))

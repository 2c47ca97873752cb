"""What keeps a VerticalPodAutoscaler from helping: evictions in the mode for resizes in place, and an HPA."""

from typing import Any

import pytest

from app.decisions.scaling_targets import read_autoscalers
from app.decisions.vpa_notes import scaling_notes, vpa_notes
from app.domain.container_roles import TemplateContainers
from app.domain.template_amounts import Quantities, template_amounts
from app.domain.workloads import Workload
from app.vpa.autoscaler import read_autoscaler
from app.vpa.recommendation import TargetFacts
from app.vpa.update_mode import UpdateMode
from tests.vpa.objects import POLICY, RECOMMENDER, own_vpa, vpa

WEB = Workload("shop", "web")
BOTH = {"cpu": "1", "memory": "1Gi"}


def notes(
    manifest: dict[str, Any], *containers: tuple[str, Quantities, Quantities], pod: Quantities | None = None
) -> list[str]:
    """The sentences on an object that targets three replicas with these requests and limits."""
    template = TemplateContainers(containers=frozenset(name for name, *_ in containers))
    facts = TargetFacts({}, template, template_amounts(containers, pod, pod))
    return list(vpa_notes(read_autoscaler(manifest), facts, 3, POLICY, RECOMMENDER))


@pytest.mark.parametrize(
    ("requests", "limits", "cause"),
    [
        (BOTH, BOTH, "they are Guaranteed, and RequestsOnly makes them Burstable"),
        ({}, BOTH, "they are Guaranteed, and RequestsOnly makes them Burstable"),
        ({}, {}, "without requests and limits they are BestEffort"),
        (BOTH, {}, ""),
        (BOTH, BOTH | {"cpu": "2"}, ""),
        ({"cpu": "1"}, {"cpu": "1"}, ""),
    ],
    ids=[
        "guaranteed",
        "limits alone",
        "best effort",
        "no limits",
        "a higher limit",
        "memory without a limit",
    ],
)
def test_a_pod_keeps_its_class_in_a_resize(requests: Quantities, limits: Quantities, cause: str) -> None:
    """The API server refuses a resize that changes the class, upon which the updater evicts."""
    shown = notes(own_vpa(WEB, UpdateMode.IN_PLACE_OR_RECREATE), ("app", requests, limits))

    assert [cause in note and "evicts its Pods" in note for note in shown] == ([True] if cause else [])


def test_what_helps_is_said_in_the_words_of_the_object() -> None:
    """Own objects follow labels, others have a field; where limits change too, nothing is evicted."""
    in_place = {"updatePolicy": {"updateMode": "InPlaceOrRecreate"}}
    requests_only = {"containerPolicies": [{"containerName": "*", "controlledValues": "RequestsOnly"}]}
    theirs = vpa("web", **in_place, resourcePolicy=requests_only)
    both = vpa("web", **in_place)

    (own,) = notes(own_vpa(WEB, UpdateMode.IN_PLACE_OR_RECREATE), ("app", BOTH, BOTH))
    assert own.endswith("set the label job-profiler.liqo.io/vpa-controlled-values to RequestsAndLimits")
    (other,) = notes(theirs, ("app", BOTH, BOTH))
    assert other.endswith("set controlledValues to RequestsAndLimits")
    assert notes(both, ("app", BOTH, BOTH)) == []


def test_one_container_decides_for_the_pod() -> None:
    """A Pod is Guaranteed if all its containers are; with resources of its own, they do not decide."""
    mode = own_vpa(WEB, UpdateMode.IN_PLACE_OR_RECREATE)

    assert notes(mode, ("app", BOTH, BOTH), ("proxy", {"cpu": "10m"}, {})) == []
    assert len(notes(mode, ("app", BOTH, BOTH), ("proxy", BOTH, BOTH))) == 1
    assert notes(mode, ("app", BOTH, BOTH), pod=BOTH) == []
    assert notes(own_vpa(WEB, UpdateMode.RECREATE), ("app", BOTH, BOTH)) == []


def beside_scaling(manifest: dict[str, Any], source: str, **measured: Any) -> list[str]:
    """The sentences on an object beside an autoscaler that holds *measured* at 80 % of the requests."""
    target = {"type": "Utilization", "averageUtilization": 80}
    metric = {
        "type": source[0].upper() + source[1:],
        source: {"name": "cpu", "target": target, **measured},
    }
    horizontal = {
        "metadata": {"name": "web-hpa", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "metrics": [metric]},
    }
    facts = TargetFacts({}, TemplateContainers(containers=frozenset({"app", "proxy"})))
    scaled = read_autoscalers([horizontal], "autoscaling/v2")
    return list(scaling_notes(read_autoscaler(manifest), facts, scaled.get(WEB, ())))


def test_a_request_that_an_autoscaler_scales_on() -> None:
    """Each new request is another utilization, upon which the number of replicas changes.

    An AverageValue is a usage, which no request changes; neither does an object that only recommends.
    """
    (own,) = beside_scaling(own_vpa(WEB, UpdateMode.INITIAL), "resource")
    assert own == (
        "it sets what HorizontalPodAutoscaler web-hpa scales on (cpu): set the label job-profiler.liqo.io/vpa"
        " to Off, or write an object that controls the rest"
    )
    assert beside_scaling(vpa("web"), "resource") == [
        "it sets what HorizontalPodAutoscaler web-hpa scales on (cpu): leave cpu out of controlledResources"
    ]
    assert beside_scaling(own_vpa(WEB, UpdateMode.OFF), "resource") == []
    usage = {"type": "AverageValue", "averageValue": "100m"}
    assert beside_scaling(vpa("web"), "resource", target=usage) == []
    assert beside_scaling(vpa("web"), "resource", name="memory") != []


def test_a_container_that_is_not_set_is_no_conflict() -> None:
    """The target is of all containers, or of the one that it names."""
    policies = [
        {"containerName": "app", "controlledResources": ["memory"]},
        {"containerName": "proxy", "mode": "Off"},
    ]
    spared = vpa("web", resourcePolicy={"containerPolicies": policies})
    half = vpa("web", resourcePolicy={"containerPolicies": policies[:1]})

    assert beside_scaling(spared, "resource") == []
    assert len(beside_scaling(half, "resource")) == 1
    assert beside_scaling(half, "containerResource", container="app") == []
    assert len(beside_scaling(half, "containerResource", container="proxy")) == 1

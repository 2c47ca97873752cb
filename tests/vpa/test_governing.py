"""Which requests a VerticalPodAutoscaler sets, so that the webhook leaves them to it."""

from typing import Any

import pytest

from app.domain.profiles import Resource
from app.rightsizing.governors import GovernorKind
from app.vpa.governing import read_vertical
from tests.vpa.objects import WEB, container_policies, vpa

CPU, MEMORY, BOTH = frozenset({Resource.CPU}), frozenset({Resource.MEMORY}), frozenset(Resource)


def recommended(**targets: dict[str, str]) -> dict[str, Any]:
    """A status with these targets of containers."""
    items = [{"containerName": name, "target": target} for name, target in targets.items()]
    return {"recommendation": {"containerRecommendations": items}}


OF_BOTH = recommended(main={"cpu": "1", "memory": "1Gi"}, proxy={"cpu": "10m", "memory": "32Mi"})


@pytest.mark.parametrize(
    "mode", [None, "Auto", "Initial", "Recreate", "InPlaceOrRecreate", "InPlace", "other"]
)
def test_every_mode_but_off_sets_requests(mode: str | None) -> None:
    """Without a mode, the API server's default; a mode of a later version may set them too."""
    policy: dict[str, Any] = {"updatePolicy": {"updateMode": mode}} if mode else {}

    governor = read_vertical(vpa(status=OF_BOTH, **policy))

    assert (governor.kind, governor.target) == (GovernorKind.VERTICAL, WEB)
    assert governor.containers == (("main", BOTH), ("proxy", BOTH))
    assert governor.acts


@pytest.mark.parametrize(
    ("manifest", "containers"),
    [
        (vpa(status=OF_BOTH, updatePolicy={"updateMode": "Off"}), {}),
        (vpa(), {}),
        (vpa(status={"recommendation": {"containerRecommendations": []}}), {}),
        (vpa(status=OF_BOTH, target={"kind": "Deployment"}), {}),
        (vpa(status=recommended(main={"cpu": "1"})), {"main": CPU}),
        (vpa(status=recommended(main={})), {}),
    ],
    ids=["Off", "no status", "no container", "no target", "one resource", "an empty target"],
)
def test_without_a_recommendation_others_may(manifest: dict[str, Any], containers: dict[str, Any]) -> None:
    """Otherwise the container would have no size."""
    governor = read_vertical(manifest)

    assert dict(governor.containers) == containers
    assert governor.acts is bool(containers)


@pytest.mark.parametrize(
    ("policies", "containers"),
    [
        ([{"containerName": "main", "mode": "Off"}], {"proxy": BOTH}),
        ([{"containerName": "*", "mode": "Off"}], {}),
        ([{"containerName": "*", "mode": "Off"}, {"containerName": "main"}], {"main": BOTH}),
        ([{"containerName": "main", "controlledResources": ["memory"]}], {"main": MEMORY, "proxy": BOTH}),
        ([{"containerName": "*", "controlledResources": ["cpu"]}], {"main": CPU, "proxy": CPU}),
        ([{"containerName": "*", "controlledResources": []}], {}),
    ],
    ids=["one is off", "all are off", "all but one", "memory of one", "CPU of all", "no resource"],
)
def test_what_its_policies_leave_to_others(
    policies: list[dict[str, Any]], containers: dict[str, Any]
) -> None:
    """Containers of mode Off, and resources that it does not control; an old target may still name them."""
    governor = read_vertical(vpa(status=OF_BOTH, resourcePolicy=container_policies(*policies)))

    assert dict(governor.containers) == containers


@pytest.mark.parametrize("odd", [{}, {"spec": 7}, {"spec": {"targetRef": []}, "status": "x"}], ids=str)
def test_an_object_that_people_have_edited(odd: dict[str, Any]) -> None:
    """It sets nothing that can be read."""
    assert not read_vertical(odd).acts

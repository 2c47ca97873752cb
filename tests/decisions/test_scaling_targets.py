"""A request and the target that goes with it, so that an autoscaler acts at the same usage."""

from decimal import Decimal
from typing import Any

import jsonpatch
import pytest

from app.decisions.figures import read_workloads
from app.decisions.patches import PatchForm, autoscaler_patch
from app.decisions.savings import savings
from app.decisions.scaling_targets import HorizontalAutoscaler, ScalingPair, pairs, read_autoscalers
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from tests.decisions.manifests import need

V2 = "autoscaling/v2"
MIB = 1024**2
WEB = Workload("shop", "web")
CPU, MEMORY = Resource.CPU, Resource.MEMORY


def utilization(resource: str, percent: int, container: str = "") -> dict[str, Any]:
    """A metric on the resource of a Pod, or of one container."""
    target = {"name": resource, "target": {"type": "Utilization", "averageUtilization": percent}}
    if container:
        return {"type": "ContainerResource", "containerResource": {"container": container, **target}}
    return {"type": "Resource", "resource": target}


AVERAGE_VALUE = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "200Mi"}},
}
REQUESTS_PER_SECOND = {
    "type": "Pods",
    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}},
}


def hpa(*metrics: dict[str, Any], name: str = "web") -> dict[str, Any]:
    """An autoscaler of web."""
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": list(metrics),
        },
    }


def autoscaler(*metrics: dict[str, Any]) -> HorizontalAutoscaler:
    (found,) = read_autoscalers([hpa(*metrics)], V2)[WEB]
    return found


def cores(**amounts: tuple[str | None, str | None]) -> dict[Resource, dict[str, Any]]:
    """The old and new requests of containers."""
    exact = {
        name: tuple(None if one is None else Decimal(one) for one in both) for name, both in amounts.items()
    }
    return {CPU: exact}


def pair(metric: dict[str, Any], requests: dict[Resource, dict[str, Any]], *added: str) -> ScalingPair:
    (found,) = pairs([autoscaler(metric)], requests, added)
    return found


@pytest.mark.parametrize(
    ("percent", "old", "new", "expected"),
    [
        pytest.param(80, "0.5", "0.25", 160, id="half the request: twice the target"),
        pytest.param(80, "0.5", "0.026", 1538, id="80 * 500 / 26 = 1538.46"),
        pytest.param(60, "0.1", "0.4", 15, id="four times the request: a quarter"),
        pytest.param(50, "1", "0.3", 167, id="166.67 is rounded"),
        pytest.param(1, "1", "0.999", 1, id="1.001 stays 1"),
    ],
)
def test_the_target_by_hand(percent: int, old: str, new: str, expected: int) -> None:
    """New target = target * request / new request; the usage at which it acts is the same."""
    found = pair(utilization("cpu", percent), cores(app=(old, new)))

    assert (found.new_target, found.problem) == (expected, "")
    assert found.usage == Decimal(old) * percent / 100
    assert found.new_request * expected / 100 == pytest.approx(found.usage, rel=Decimal("0.01"))


def test_a_pods_target_is_of_all_its_containers() -> None:
    """600m become 150m + 50m = 200m: 70 % become 210 %. One request that stays counts too."""
    found = pair(utilization("cpu", 70), cores(app=("0.55", "0.15"), log=("0.05", "0.05")))

    assert (found.request, found.new_request, found.new_target) == (Decimal("0.6"), Decimal("0.2"), 210)


def test_a_containers_target_is_of_that_container() -> None:
    """500m become 250m, whatever the sidecar does: 60 % become 120 %."""
    found = pair(utilization("cpu", 60, "app"), cores(app=("0.5", "0.25"), log=("1", "0.1")))

    assert (found.request, found.new_target) == (Decimal("0.5"), 120)
    assert not pairs([autoscaler(utilization("cpu", 60, "log"))], cores(app=("1", "2"), log=("1", "1")))


def test_each_metric_is_a_pair_of_its_own() -> None:
    """CPU and memory have other requests; a target in bytes and one in requests per second need nothing."""
    metrics = (REQUESTS_PER_SECOND, utilization("memory", 90), AVERAGE_VALUE, utilization("cpu", 80))
    requests = cores(app=("0.5", "0.25")) | {MEMORY: {"app": (Decimal(256 * MIB), Decimal(384 * MIB))}}

    found = pairs([autoscaler(*metrics)], requests)

    assert [(one.target.index, one.target.resource, one.new_target) for one in found] == [
        (1, MEMORY, 60),
        (3, CPU, 160),
    ]


def test_autoscalers_without_a_share_of_a_request_are_left_out() -> None:
    """A target in bytes, one in requests per second, no metrics, and what people wrote that is none."""
    manifests = [hpa(AVERAGE_VALUE), hpa(REQUESTS_PER_SECOND), hpa(), hpa({"type": "Resource"}), {"spec": 3}]

    assert read_autoscalers(manifests, V2) == {}


@pytest.mark.parametrize(
    ("percent", "old", "new", "problem"),
    [
        pytest.param(80, "0.01", "1", "0.80 %, and the API takes whole numbers from 1", id="below 1 %"),
        pytest.param(2_000_000_000, "2", "1", "at most 2147483647", id="above an int32"),
        pytest.param(80, None, "0.1", "app has no cpu request", id="no request"),
    ],
)
def test_what_no_target_keeps_is_named(percent: int, old: str | None, new: str, problem: str) -> None:
    """Without a target there is a problem: 80 * 10m / 1 core are 0.8 %."""
    found = pair(utilization("cpu", percent), cores(app=(old, new)))

    assert found.new_target is None
    assert problem in found.problem


def test_a_coarse_target_is_named() -> None:
    """80 * 25m / 800m = 2.5 %, rounded to 2 %: it acts at 16m in place of 20m."""
    found = pair(utilization("cpu", 80), cores(app=("0.025", "0.8")))

    assert (found.new_target, found.problem) == (2, "rounded, so that it acts at -20.0% of that usage")


def test_containers_that_are_added_later_are_named() -> None:
    """An injected proxy has a request that the template does not have: the pair is not exact."""
    found = pair(utilization("cpu", 80), cores(app=("0.5", "0.25")), "linkerd-proxy")

    assert (found.new_target, found.problem) == (
        160,
        "without linkerd-proxy, which is added to Pods and counts too",
    )


def test_patches_change_the_targets_and_nothing_else() -> None:
    """Both forms give the same metrics; a JSON patch is refused by another target at its place."""
    metrics = (REQUESTS_PER_SECOND, utilization("memory", 90), utilization("cpu", 80, "app"))
    of = autoscaler(*metrics)
    manifest = hpa(*metrics)
    found = pairs([of], cores(app=("0.5", "0.25")))

    merged = autoscaler_patch(of, found, PatchForm.STRATEGIC)
    patched = jsonpatch.apply_patch(manifest, autoscaler_patch(of, found, PatchForm.JSON6902))

    expected = [REQUESTS_PER_SECOND, utilization("memory", 90), utilization("cpu", 160, "app")]
    assert merged == {"spec": {"metrics": expected}}
    assert patched["spec"] == manifest["spec"] | {"metrics": expected}
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(patched, autoscaler_patch(of, found, PatchForm.JSON6902))
    kustomize = autoscaler_patch(of, found, PatchForm.KUSTOMIZE)
    assert (kustomize["apiVersion"], kustomize["metadata"]) == (V2, {"name": "web", "namespace": "shop"})


def test_savings_have_the_pair_of_the_need() -> None:
    """Web requests 500m and needs 26m: 80 % become 1538 %."""
    listed = {"name": "app", "value": "0.026", "samples": 1, "request": "500m"}
    manifest = need("cpu", "web", "0.026", request="500m", replicas={"desired": 3}, containers=(listed,))

    (saving,) = savings(
        read_workloads([manifest]), scaling={("", WEB): [autoscaler(utilization("cpu", 80))]}
    ).workloads

    (found,) = saving.scaling
    assert (found.request, found.new_request, found.new_target) == (Decimal("0.5"), Decimal("0.026"), 1538)

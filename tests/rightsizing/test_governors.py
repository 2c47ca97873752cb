"""What autoscalers decide on: the resources of an HPA, the containers of a VPA, and both together."""

import json
from decimal import Decimal
from typing import Any

import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.rightsizing.governors import NOT_GOVERNED, Governor, GovernorKind, governance_of, read_horizontal
from app.rightsizing.needs import ContainerNeeds
from app.rightsizing.pod_spec import ContainerResources, PodResources
from tests.rightsizing.manifests import Object

CPU, MEMORY = Resource.CPU, Resource.MEMORY
DB = Workload("shop", "db", "StatefulSet")
POD = PodResources((ContainerResources("app"), ContainerResources("proxy")))
METRICS = "autoscaling.alpha.kubernetes.io/metrics"
HPA, VPA = "a HorizontalPodAutoscaler scales on it", "a VerticalPodAutoscaler sets it"


def autoscaler(metrics: Any = None, **spec: Any) -> Object:
    """An autoscaler of StatefulSet `shop/db`; *metrics* is the annotation's text, or is encoded as JSON."""
    text = metrics if isinstance(metrics, str) else json.dumps(metrics)
    annotations = None if metrics is None else {METRICS: text}
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"}
    return {
        "metadata": {"name": "db", "namespace": "shop", "annotations": annotations},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec},
    }


MEMORY_USE = {"type": "Resource", "resource": {"name": "memory", "targetAverageUtilization": 70}}
CPU_OF_ONE = {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "app"}}
QUEUE = {"type": "External", "external": {"metricName": "cpu", "targetValue": "5"}}


@pytest.mark.parametrize(
    ("manifest", "autoscaled"),
    [
        (autoscaler(targetCPUUtilizationPercentage=80), {CPU}),
        (autoscaler(), {CPU}),
        (autoscaler([]), {CPU}),
        (autoscaler(""), {CPU}),
        (autoscaler([MEMORY_USE]), {MEMORY}),
        (autoscaler([MEMORY_USE], targetCPUUtilizationPercentage=80), {CPU, MEMORY}),
        (autoscaler([CPU_OF_ONE, QUEUE]), {CPU}),
        (autoscaler([QUEUE]), set()),
        (autoscaler([QUEUE], targetCPUUtilizationPercentage=80), {CPU}),
        (autoscaler([{"type": "Resource", "resource": {"name": "nvidia.com/gpu"}}]), set()),
    ],
)
def test_an_autoscaler_names_its_workload_and_what_it_scales_on(manifest: Object, autoscaled: Any) -> None:
    """The CPU target is in the spec, other metrics are in the annotation; without any metric it is CPU."""
    assert read_horizontal(manifest) == Governor(GovernorKind.HORIZONTAL, DB, frozenset(autoscaled))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "null",
        "5",
        '"cpu"',
        "[5]",
        "[null]",
        '[{"resource": 5}]',
        '[{"resource": {"name": []}}]',
        "[" * 9999,
    ],
)
def test_metrics_that_can_not_be_read_may_be_of_any_resource(text: str) -> None:
    """Both resources count as autoscaled and stay unchanged."""
    assert read_horizontal(autoscaler(text)) == Governor(GovernorKind.HORIZONTAL, DB, frozenset(Resource))


def vertical(**containers: frozenset[Resource]) -> Governor:
    """A VPA that sets these resources of containers."""
    return Governor(GovernorKind.VERTICAL, DB, containers=tuple(containers.items()))


def test_both_kinds_together() -> None:
    """The HPA keeps CPU of all containers; the VPAs keep memory of one, and both resources of another."""
    horizontal = Governor(GovernorKind.HORIZONTAL, DB, frozenset({CPU}))
    governors = [horizontal, vertical(app=frozenset({MEMORY})), vertical(proxy=frozenset(Resource))]

    governance = governance_of(governors)

    assert governance.resources == {CPU: HPA}
    assert governance.containers == {MEMORY: {"app": VPA, "proxy": VPA}, CPU: {"proxy": VPA}}
    assert list(map(str, governors)) == ["HPA cpu", "VPA memory", "VPA cpu memory"]


def test_what_an_autoscaler_sets_has_no_need() -> None:
    """A reason of the workload's own policy goes first; other resources and containers are as they were."""
    cpu = ContainerNeeds({"app": Decimal(1), "proxy": Decimal(2)}, 0.9)
    memory = ContainerNeeds({"app": Decimal(3)}, 0.9, kept={"proxy": "off"})
    needs = {CPU: cpu, MEMORY: memory}

    governors = [vertical(app=frozenset({CPU}), proxy=frozenset({MEMORY}))]
    left = governance_of(governors).leave(needs, POD)

    assert (left[CPU].containers, left[CPU].kept) == ({"proxy": Decimal(2)}, {"app": VPA})
    assert (left[MEMORY].containers, left[MEMORY].kept) == ({"app": Decimal(3)}, {"proxy": "off"})


def test_without_a_governor_nothing_is_copied() -> None:
    """Most workloads have none, and each review asks."""
    needs = {CPU: ContainerNeeds({}, 0.9)}

    assert governance_of([vertical()]) is NOT_GOVERNED
    assert NOT_GOVERNED.leave(needs, POD) is needs


def test_a_native_sidecar_is_left_to_others() -> None:
    """VPA's own recommender sees its usage, and VPA's webhook sets no init container."""
    pod = PodResources((ContainerResources("app"),), (ContainerResources("proxy"),))
    needs = {CPU: ContainerNeeds({"app": Decimal(1), "proxy": Decimal(2)}, 0.9)}

    left = governance_of([vertical(app=frozenset({CPU}), proxy=frozenset({CPU}))]).leave(needs, pod)

    assert left[CPU].containers == {"proxy": Decimal(2)}

"""Availability during node drains, updates and zone failures, and an orderly shutdown."""

from typing import Any

import pytest

from tests.chart.conftest import NEW_CLUSTER, Render
from tests.chart.rendered import Release, container

pytestmark = pytest.mark.chart


@pytest.mark.parametrize(
    ("webhook", "seconds"),
    [({}, 28), ({"shutdownDelaySeconds": 60, "timeoutSeconds": 30}, 105)],
    ids=["default", "long"],
)
def test_the_webhook_has_time_to_drain(render: Render, webhook: dict[str, int], seconds: int) -> None:
    """The grace period is the delay, one admission's time-out and 15 s: 10 + 3 + 15, 60 + 30 + 15."""
    assert render(webhook=webhook).pods()["webhook"]["terminationGracePeriodSeconds"] == seconds


def test_roll_outs_keep_every_replica(render: Render) -> None:
    """A replica is removed only after its replacement is ready."""
    for deployment in render().of("Deployment"):
        assert deployment["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }


def test_replicas_spread_where_possible(render: Render) -> None:
    """By default replicas prefer different nodes and zones, and are scheduled even if there are none."""
    for component, pod in render().pods().items():
        constraints = pod["topologySpreadConstraints"]
        assert [constraint["topologyKey"] for constraint in constraints] == [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        ]
        assert {constraint["whenUnsatisfiable"] for constraint in constraints} == {"ScheduleAnyway"}
        assert {
            constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for constraint in constraints
        } == {component}


def test_replicas_of_the_version_before_do_not_count(render: Render) -> None:
    """From 1.27 on, spreading counts replicas of one version only; older clusters would drop the field."""
    keys = [
        constraint.get("matchLabelKeys")
        for version in ("1.26.0", "1.27.0")
        for constraint in render(kube_version=version).pods()["webhook"]["topologySpreadConstraints"]
    ]

    assert keys == [None, None, ["pod-template-hash"], ["pod-template-hash"]]


def test_the_service_prefers_nobody_unless_told(render: Render) -> None:
    """Only the webhook's Service has a trafficDistribution, and only if it is set (Kubernetes 1.31)."""
    default, preferring = render(), render(webhook={"trafficDistribution": "PreferSameZone"})

    assert not [service for service in default.of("Service") if "trafficDistribution" in service["spec"]]
    assert {
        service["metadata"]["name"]: service["spec"].get("trafficDistribution")
        for service in preferring.of("Service")
    } == {"job-profiler-webhook": "PreferSameZone", "job-profiler-profiler": None}


def budgets(release: Release) -> dict[str, dict[str, Any]]:
    return {budget["metadata"]["name"]: budget["spec"] for budget in release.of("PodDisruptionBudget")}


def test_one_replica_goes_at_a_time(render: Render) -> None:
    """Each budget selects the Pods of one Deployment, and lets them be evicted one by one."""
    release = render()

    assert budgets(release).keys() == release.names("Deployment")
    for name, spec in budgets(release).items():
        assert spec["maxUnavailable"] == 1
        assert spec["selector"] == release.one("Deployment", name)["spec"]["selector"]


@pytest.mark.parametrize(
    ("kube_version", "api_version", "policy"),
    [
        ("1.20.0", "policy/v1beta1", None),
        ("1.21.0", "policy/v1", None),
        ("1.26.5", "policy/v1", None),
        ("1.27.0", "policy/v1", "AlwaysAllow"),
        (NEW_CLUSTER, "policy/v1", "AlwaysAllow"),
    ],
)
def test_budgets_are_what_the_cluster_knows(
    render: Render, kube_version: str, api_version: str, policy: str | None
) -> None:
    """policy/v1 exists from 1.21 on; from 1.27 on, Pods that are not ready do not block a drain."""
    for budget in render(kube_version=kube_version).of("PodDisruptionBudget"):
        assert budget["apiVersion"] == api_version
        assert budget["spec"].get("unhealthyPodEvictionPolicy") == policy


def test_a_single_replica_has_no_budget(render: Render) -> None:
    """A budget would block every drain of its node; the other component keeps its budget."""
    assert budgets(render(webhook={"replicas": 1})).keys() == {"job-profiler-profiler"}
    assert budgets(render(profiler={"podDisruptionBudget": {"enabled": False}})).keys() == {
        "job-profiler-webhook"
    }
    assert budgets(render(topology="combined")) == {}


def test_a_budget_may_be_a_share(render: Render) -> None:
    """The value of maxUnavailable is rendered: many replicas allow more than one eviction."""
    release = render(webhook={"replicas": 10, "podDisruptionBudget": {"maxUnavailable": "30%"}})

    assert budgets(release)["job-profiler-webhook"]["maxUnavailable"] == "30%"


@pytest.mark.parametrize(("topology", "component"), [("split", "webhook"), ("combined", "combined")])
def test_the_webhook_can_use_the_nodes_network(render: Render, topology: str, component: str) -> None:
    """DNS still resolves Services; the profiler, which API servers do not call, stays on the Pod network."""
    pods = render(topology=topology, webhook={"hostNetwork": True, "port": 10260}).pods()

    assert {name for name, pod in pods.items() if pod.get("hostNetwork")} == {component}
    assert pods[component]["dnsPolicy"] == "ClusterFirstWithHostNet"
    ports = {port["name"]: port["containerPort"] for port in container(pods[component])["ports"]}
    assert ports["webhook"] == 10260


def test_no_hook_drains_the_webhook(render: Render) -> None:
    """The process itself keeps serving after SIGTERM: an image without a shell needs no `preStop`."""
    for pod in render().pods().values():
        assert "lifecycle" not in container(pod)


@pytest.mark.parametrize(
    ("kube_version", "served"),
    [
        ("1.20.0", "v1beta1"),
        ("1.23.0", "v1beta2"),
        ("1.26.0", "v1beta3"),
        ("1.29.0", "v1"),
        (NEW_CLUSTER, "v1"),
    ],
)
def test_requests_can_go_first(render: Render, kube_version: str, served: str) -> None:
    """A FlowSchema, in the version that the cluster serves, gives the service accounts a priority level."""
    release = render(kube_version=kube_version, apiPriority={"enabled": True, "priorityLevel": "system"})
    schema = release.one("FlowSchema")

    assert schema["apiVersion"] == f"flowcontrol.apiserver.k8s.io/{served}"
    assert schema["spec"]["priorityLevelConfiguration"] == {"name": "system"}
    [rule] = schema["spec"]["rules"]
    accounts = {subject["serviceAccount"]["name"] for subject in rule["subjects"]}
    assert accounts == release.names("ServiceAccount")
    assert render().of("FlowSchema") == []

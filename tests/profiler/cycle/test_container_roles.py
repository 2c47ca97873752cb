"""Pod templates in profiles: roles of containers, and init containers that no sum contains."""

from typing import Any

import pytest

from app.domain.container_roles import template_containers
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.in_memory import InMemoryProfiles
from app.recommendation.policy import EstimationPolicy
from tests.profiler.emojivoto_prometheus import WEB_POD, EmojivotoPrometheus
from tests.profiler.scenario import DEPLOYMENTS, Scenario

WEB = Workload("emojivoto", "web")
CPU, MEMORY = (f"{kind}-9b9e16387237056ac52a193ffbd6d695831cfe7f" for kind in ("cpuprofile", "memprofile"))


def snapshot(*containers: tuple[str, str]) -> ClusterSnapshot:
    """The Deployment `web` with these init containers in its template, and the others without."""
    return ClusterSnapshot(workloads=DEPLOYMENTS, templates={WEB: template_containers(containers)})


def containers(scenario: Scenario, name: str = CPU) -> list[dict[str, Any]]:
    """The containers in the status of a profile of `web`."""
    listed: list[dict[str, Any]] = scenario.profiles.manifests[name]["status"]["containers"]
    return listed


def with_container(name: str) -> EmojivotoPrometheus:
    """A third container of `web`, with 0.3 cores and 40 MB in every step."""
    prometheus = EmojivotoPrometheus()
    prometheus.containers[WEB_POD, name] = (0.3, 4e7)
    return prometheus


async def test_a_profile_has_the_role_of_each_container() -> None:
    """`Sidecar` by the template, `MeshProxy` by the name, and none for the application."""
    scenario = Scenario(with_container("log-shipper"), snapshot=snapshot(("log-shipper", "Always")))

    await scenario.cycle()

    for name in (CPU, MEMORY):
        roles = [(entry["name"], entry.get("role")) for entry in containers(scenario, name)]
        assert roles == [("linkerd-proxy", "MeshProxy"), ("log-shipper", "Sidecar"), ("web-svc", None)]
    assert scenario.values[CPU] == "0.447"  # (0.1 + 0.02 + 0.3) * 1.0625


async def test_a_long_running_init_container_is_not_counted() -> None:
    """`migrate` ran as long as the other containers: value and list of containers lack it.

    (0.1 + 0.02) * 1.0625 = 0.1275 cores and (20 + 10) MB * e^.24 = 38,137,476 bytes, as without the
    container; the value is the sum of the listed containers: 0.10625 + 0.02125, each rounded up.
    """
    scenario = Scenario(with_container("migrate"), snapshot=snapshot(("migrate", "")))

    await scenario.cycle()

    assert (scenario.values[CPU], scenario.values[MEMORY]) == ("0.128", "38137476")
    assert [(entry["name"], entry["value"]) for entry in containers(scenario)] == [
        ("linkerd-proxy", "0.022"),
        ("web-svc", "0.107"),
    ]
    assert scenario.profiles.manifests[CPU]["status"]["samples"] == 864


async def test_the_same_name_in_another_workload_counts() -> None:
    """`web-svc` is an init container of `web`, and a regular container of `voting`."""
    prometheus = EmojivotoPrometheus()
    prometheus.containers["voting-5f5b555dff-fcg7c", "web-svc"] = (0.3, 4e7)
    scenario = Scenario(prometheus, snapshot=snapshot(("web-svc", "")))

    await scenario.cycle()

    assert scenario.values["cpuprofile-80ea9c2558c9dcb9608e57b48d117f8735783881"] == "0.383"  # 0.36 * 1.0625
    assert scenario.values[CPU] == "0.022"


async def test_a_workload_in_its_init_container_has_no_profile() -> None:
    """The application has never started, so there is no usage of it; the report has the reason."""
    prometheus = EmojivotoPrometheus(containers={(WEB_POD, "migrate"): (0.3, 4e7)}, edges={})
    scenario = Scenario(prometheus, snapshot=snapshot(("migrate", "")))

    report = await scenario.cycle()

    assert scenario.profiles.manifests == {}
    assert report.reasons["emojivoto/web"] == (
        f"TooFewSamples: fewer than {EstimationPolicy().min_samples} samples, one per 5 minutes"
    )


@pytest.mark.parametrize(("minutes", "role"), [(5, None), (24 * 60 + 5, "Sidecar")])
async def test_a_changed_role_alone_is_not_written(minutes: float, role: str | None) -> None:
    """A container becomes a sidecar: nothing is written until the status is due."""
    profiles = InMemoryProfiles("profiling")
    await Scenario(with_container("log-shipper"), profiles).cycle()
    later = Scenario(with_container("log-shipper"), profiles, snapshot=snapshot(("log-shipper", "Always")))

    await later.cycle(minutes)

    assert [entry.get("role") for entry in containers(later) if entry["name"] == "log-shipper"] == [role]
    assert later.events.recorded == []

"""What cycles store beside values: requests and replicas without more writes, and a history that survives."""

from app.domain.container_roles import TemplateContainers
from app.domain.profiles import ProfileKind
from app.domain.template_amounts import template_amounts
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import DEPLOYMENTS, Scenario

WEB = Workload("emojivoto", "web")
WEB_CPU = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"


def snapshot(request: str = "100m", desired: int = 4) -> ClusterSnapshot:
    """The Deployments, of which web's template is known."""
    return ClusterSnapshot(
        workloads=DEPLOYMENTS,
        templates={WEB: TemplateContainers(containers=frozenset({"web-svc"}))},
        amounts={WEB: template_amounts([("web-svc", {"cpu": request}, {})])},
        desired_replicas={WEB: desired},
        ready_replicas={WEB: 3},
    )


def replace_snapshot(scenario: Scenario, current: ClusterSnapshot) -> None:
    """Replace the snapshot that the next cycles read."""
    scenario._cycle._lister._snapshot = current  # type: ignore[attr-defined]


async def test_moving_replicas_write_nothing() -> None:
    """Within an hour neither replicas that an autoscaler moves in each cycle nor a request are written.

    After the hour the request and the replicas are.
    """
    scenario = Scenario(EmojivotoPrometheus(), snapshot=snapshot())
    await scenario.cycle()

    written = []
    for number in range(1, 12):
        replace_snapshot(scenario, snapshot(desired=8 if number % 2 else 2))
        written.append((await scenario.cycle(minutes=number * 5 / 12)).written)
    replace_snapshot(scenario, snapshot(request="200m"))
    written += [(await scenario.cycle(minutes=minutes)).written for minutes in (4.9, 4.95)]

    assert set(written) == {0}
    status = scenario.profiles.manifests[WEB_CPU]["status"]
    assert (status["request"], status["replicas"]) == ("100m", {"ready": 3, "desired": 4})
    await scenario.cycle(minutes=61)
    status = scenario.profiles.manifests[WEB_CPU]["status"]
    assert (status["request"], status["replicas"]) == ("200m", {"ready": 3, "desired": 4})


async def test_a_history_survives_a_new_leader() -> None:
    """Two leaders each raise a value that a user wrote: both changes are in the object, newest first.

    The first looks like usage that rose; the second value is not the last one on record.
    """
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    value = scenario.values[WEB_CPU]
    for minutes, foreign in ((5, "0.002"), (10, "0.001")):
        manifest = scenario.profiles.manifests[WEB_CPU]
        manifest["spec"]["cpuProfiling"]["value"] = foreign
        scenario.profiles.catalogue.upsert(ProfileKind.CPU, manifest)
        scenario = Scenario(EmojivotoPrometheus(), scenario.profiles)
        await scenario.cycle(minutes)

    history = scenario.profiles.manifests[WEB_CPU]["status"]["history"]
    assert [(change["old"], change["new"]) for change in history] == [("0.001", value), ("0.002", value)]
    assert [change["reason"] for change in history] == ["Corrected", "UsageRose"]

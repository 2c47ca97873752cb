"""Plans of repairs: which Pods, which changes, when, and in which order."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import REQUESTS
from app.domain.catalogue import ProfileCatalogue
from app.domain.pod_record import PodRecord
from app.domain.profiles import ProfileKind
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.profiler.backfill.plan import RepairPlanner, newest_first
from app.profiler.registries.workloads import WorkloadRegistry
from tests.profiler.pods import DEBUG, NEEDS, running
from tests.webhook.profiles import (
    WEB,
    WEB_ANNOTATIONS,
    WEB_CPU,
    WEB_MEMORY,
    connection,
    cpu,
    memory,
    name_of,
    synced_catalogue,
    web_profiles,
)

FORGED = {"liqo.io/cpuProfile": "theirs", "liqo.io/connectionProfile7": "theirs"}
PEERS = [Workload("emojivoto", f"peer-{number}") for number in range(3)]
HOUR = 3600.0


def planner_on(catalogue: ProfileCatalogue, max_connections: int = 64) -> RepairPlanner:
    index = AnnotationIndex(catalogue, max_connections=max_connections)
    return RepairPlanner(index, lambda namespace: namespace != "kube-system")


def plan(pod: PodRecord, *manifests: Mapping[str, Any]) -> dict[str, str | None] | None:
    """The changes of one Pod with these stored profiles; by default those of `web`."""
    repairs = planner_on(synced_catalogue(*(manifests or web_profiles()))).plan([pod], 0)
    return repairs[0].changes if repairs else None


@pytest.mark.parametrize(
    ("pod", "changes"),
    [
        pytest.param(running(), WEB_ANNOTATIONS, id="none-yet"),
        pytest.param(running(annotations=WEB_ANNOTATIONS), None, id="correct"),
        pytest.param(
            running(annotations=WEB_ANNOTATIONS | {"liqo.io/cpuProfile": "theirs"}),
            {"liqo.io/cpuProfile": WEB_CPU},
            id="another-profile",
        ),
        pytest.param(
            running(annotations=WEB_ANNOTATIONS | {"liqo.io/connectionProfile3": "theirs"}),
            {"liqo.io/connectionProfile3": None},
            id="a-connection-too-many",
        ),
        pytest.param(
            running(annotations=FORGED, workload=DEBUG), dict.fromkeys(FORGED), id="pod-without-workload"
        ),
        pytest.param(
            running(annotations=FORGED, workload=Workload("emojivoto", "unknown")),
            dict.fromkeys(FORGED),
            id="no-profile",
        ),
        pytest.param(running(workload=DEBUG), None, id="nobodys-plain-pod"),
        pytest.param(running(is_exempt=True), None, id="exempt"),
        pytest.param(running(annotations=FORGED, namespace="kube-system"), None, id="out-of-scope"),
    ],
)
def test_annotations_become_those_of_the_index(pod: PodRecord, changes: dict[str, str | None] | None) -> None:
    """Missing annotations are set, wrong ones replaced, surplus ones removed; correct ones stay."""
    assert plan(pod) == changes


@pytest.mark.parametrize(
    ("pod", "changes"),
    [
        pytest.param(running(annotations=WEB_ANNOTATIONS, outdated_summary=True), {}, id="annotated"),
        pytest.param(running(outdated_summary=True), WEB_ANNOTATIONS, id="not-annotated"),
        pytest.param(running(workload=DEBUG, outdated_summary=True), {}, id="without-profile"),
    ],
)
def test_the_summary_of_a_resized_pod_is_removed(pod: PodRecord, changes: dict[str, str]) -> None:
    """It names requests that the Pod no longer has; profile annotations are repaired as on every Pod."""
    assert plan(pod) == {REQUESTS: None, **changes}


def test_a_resized_pod_that_opted_out_keeps_its_summary() -> None:
    """A Pod that opted out is never changed."""
    assert plan(running(is_exempt=True, outdated_summary=True)) is None


def test_a_resized_pod_keeps_connections_that_may_wait() -> None:
    """Within the hour only the summary is removed: connections that changed twice are followed later."""
    fleet = Fleet()
    fleet.connect(1)
    fleet.repaired_connections(100)
    fleet.connect(2)
    annotations = NEEDS | numbered(NAMES[:2])

    [repair] = fleet.planner.plan([running(annotations=annotations, outdated_summary=True)], 200)

    assert repair.changes == {REQUESTS: None}


def test_nothing_is_planned_before_any_profiles_are_listed() -> None:
    """Even the forged annotation may turn out to be correct."""
    planner = planner_on(ProfileCatalogue())

    assert not planner.is_ready
    assert planner.plan([running(annotations=FORGED)], 0) == []


def test_annotations_of_a_kind_that_is_not_listed_stay() -> None:
    """Only memory and connections are listed: the memory annotation is added, the forged connection removed.

    The CPU annotation may turn out to be correct. When CPU profiles are listed too, it is replaced.
    """
    catalogue = ProfileCatalogue()
    planner = planner_on(catalogue)
    catalogue.replace(ProfileKind.MEMORY, [memory(WEB)])
    catalogue.replace(ProfileKind.CONNECTION, [])

    [repair] = planner.plan([running(annotations=FORGED)], 0)
    assert repair.changes == {"liqo.io/connectionProfile7": None, "liqo.io/memoryProfile": WEB_MEMORY}
    assert repair.annotations == {
        "liqo.io/cpuProfile": "theirs",
        "liqo.io/memoryProfile": WEB_MEMORY,
    }
    repaired = running(annotations=dict(repair.annotations))
    assert planner.plan([repaired], 0) == []

    catalogue.replace(ProfileKind.CPU, [cpu(WEB)])
    [repair] = planner.plan([repaired], 0)
    assert repair.changes == {"liqo.io/cpuProfile": WEB_CPU}


# `web`'s annotations: 141 bytes of CPU and memory, 234 of its three connections; 204,800 are allowed in all.
@pytest.mark.parametrize(
    ("foreign_bytes", "expected"),
    [(204_800 - 375, WEB_ANNOTATIONS), (204_800 - 374, NEEDS), (204_800 - 140, {})],
)
def test_annotations_that_do_not_fit_are_left_out(foreign_bytes: int, expected: Mapping[str, str]) -> None:
    """As at admission, connections are dropped first, then all; a Pod with what fits is correct."""
    assert (plan(running(foreign_bytes=foreign_bytes)) or {}) == expected
    assert plan(running(annotations=expected, foreign_bytes=foreign_bytes)) is None


NAMES = [name_of(connection(WEB, peer)) for peer in PEERS]


def numbered(names: Iterable[str]) -> dict[str, str]:
    """The annotations of connections, in the order of their names."""
    return {f"liqo.io/connectionProfile{number}": name for number, name in enumerate(sorted(names))}


class Fleet:
    """Pods of `web` whose connections change, and a planner that makes each comparison."""

    def __init__(self) -> None:
        self.catalogue = synced_catalogue(cpu(WEB), memory(WEB), connection(WEB, PEERS[0]))
        self.planner = planner_on(self.catalogue)
        self.pod = running(annotations=NEEDS | numbered(NAMES[:1]))

    def connect(self, number: int) -> None:
        """Store one more connection of `web`."""
        self.catalogue.upsert(ProfileKind.CONNECTION, connection(WEB, PEERS[number]))

    def repaired_connections(self, now_seconds: float, pod: PodRecord | None = None) -> list[str]:
        """The connections in the Pod's repair; None if there is no repair."""
        mends = self.planner.plan([pod or self.pod], now_seconds)
        return [name for key, name in sorted(mends[0].annotations.items()) if "conn" in key] if mends else []


def test_pods_follow_changed_connections_at_most_once_an_hour() -> None:
    """The first change is followed at once, the second one an hour later."""
    fleet = Fleet()
    fleet.connect(1)
    assert fleet.repaired_connections(100) == sorted(NAMES[:2])
    fleet.pod = running(annotations=NEEDS | numbered(NAMES[:2]))
    fleet.connect(2)

    assert fleet.repaired_connections(101) == fleet.repaired_connections(100 + HOUR - 1) == []
    assert fleet.repaired_connections(100 + HOUR) == sorted(NAMES[:3])


def test_a_forged_connection_is_not_kept_for_an_hour() -> None:
    """After another change, a Pod with the followed connections waits; one with a forged one does not."""
    fleet = Fleet()
    fleet.connect(1)
    assert fleet.repaired_connections(100) == sorted(NAMES[:2])
    followed = NEEDS | numbered(NAMES[:2])
    forged = followed | {"liqo.io/connectionProfile1": "theirs"}
    fleet.connect(2)

    assert fleet.repaired_connections(101, running(annotations=followed)) == []
    assert fleet.repaired_connections(101, running(annotations=forged)) == sorted(NAMES[:3])


def test_all_pods_of_a_workload_follow_a_change() -> None:
    """A comparison ten minutes later still repairs the remaining Pods."""
    fleet = Fleet()
    fleet.connect(1)

    assert fleet.repaired_connections(100) == fleet.repaired_connections(700) == sorted(NAMES[:2])


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        numbered(NAMES[:1]),
        NEEDS | {"liqo.io/memoryProfile": "theirs"},
    ],
    ids=["none-of-ours", "no-cpu-and-memory", "a-wrong-one"],
)
def test_pods_that_lack_more_than_connections_do_not_wait(annotations: dict[str, str]) -> None:
    """Within the hour after a change, Pods without a CPU or memory annotation get the current annotations."""
    fleet = Fleet()
    fleet.connect(1)
    fleet.repaired_connections(100)
    fleet.connect(2)

    assert fleet.repaired_connections(101, running(annotations=annotations)) == sorted(NAMES[:3])


def test_a_pod_without_annotations_does_not_wait_for_connections_either() -> None:
    """The peer has no CPU and memory profile; its connections changed twice within the hour."""
    fleet = Fleet()
    peer = running("peer", {"liqo.io/connectionProfile9": "old"}, workload=PEERS[0])
    assert fleet.repaired_connections(100, peer) == NAMES[:1]
    other = connection(PEERS[0], PEERS[1])
    fleet.catalogue.upsert(ProfileKind.CONNECTION, other)
    repaired_connections = running("peer", numbered(NAMES[:1]), workload=PEERS[0])

    assert fleet.repaired_connections(101, repaired_connections) == []
    assert fleet.repaired_connections(101, running("new", workload=PEERS[0])) == sorted(
        (NAMES[0], name_of(other))
    )


def test_workloads_do_not_wait_for_each_other() -> None:
    """`web` followed a change just now; its peer, the other endpoint of the connection, has not."""
    fleet = Fleet()
    fleet.connect(1)
    fleet.repaired_connections(100)
    peer = running("peer", {"liqo.io/connectionProfile9": "old"}, workload=PEERS[1])

    assert fleet.repaired_connections(101, peer) == NAMES[1:2]


@pytest.mark.parametrize(
    ("created_at", "annotations", "missed"),
    [
        ("2026-03-01T00:00:01Z", {}, True),
        ("2026-03-01T00:00:00Z", {}, False),
        ("2026-03-01T00:00:01Z", {"liqo.io/cpuProfile": "theirs"}, False),
    ],
    ids=["after-its-profile", "not-after-it", "not-without"],
)
def test_pods_that_are_younger_than_their_profile_were_missed(
    created_at: str, annotations: dict[str, str], *, missed: bool
) -> None:
    """The profiles date from midnight; the creation time of a Pod has a resolution of one second."""
    planner = planner_on(synced_catalogue(*web_profiles()))

    [mend] = planner.plan([running(annotations=annotations, created_at=created_at)], 0)

    assert mend.was_missed is missed


def test_the_newest_pods_come_first() -> None:
    """By creation time, newest first; Pods of the same second by name."""
    planner = planner_on(synced_catalogue(*web_profiles()))
    times = {"c": "2026-03-01T12:00:01Z", "b": "2026-03-01T12:00:00Z", "a": "2026-03-01T12:00:00Z"}
    pods = [running(name, created_at=time) for name, time in [*times.items(), ("d", "2026-02-28T23:59:59Z")]]

    assert [mend.pod.name for mend in newest_first(planner.plan(pods, 0))] == ["c", "a", "b", "d"]


def test_pods_that_change_all_the_time_delay_no_other_namespace() -> None:
    """10,000 Pods of `emojivoto`, newer than the only one of `shop` to repair: it is the second one.

    At 50 a second, they take longer than the 150 s until the next comparison, which begins with the newest
    again.
    """
    planner = planner_on(synced_catalogue())
    pods = [running(f"p{n}", FORGED, created_at="2026-03-01T12:00:01Z") for n in range(10_000)]
    pods.append(running("old", FORGED, namespace="shop", created_at="2026-02-01T12:00:00Z"))

    repairs = newest_first(planner.plan(pods, 0))

    assert len(repairs) == 10_001
    assert [repair.pod.namespace for repair in repairs[:3]] == ["emojivoto", "shop", "emojivoto"]


def test_a_job_follows_its_real_owner() -> None:
    """CronJob `backup` has a profile; the names of Jobs do not show which of them are its runs.

    `backup-20261129` of a person looks like a run, and `manual` (`kubectl create job --from`) does not. As
    long as a Job is not listed, its name decides, as it did at admission.
    """
    backup = Workload("shop", "backup", "CronJob")
    catalogue = synced_catalogue(cpu(backup))
    profiled = {"liqo.io/cpuProfile": name_of(cpu(backup))}
    registry = WorkloadRegistry(lambda: 0.0)
    index = AnnotationIndex(catalogue, max_connections=64)
    planner = RepairPlanner(index, lambda _: True, registry.owner_of_job)

    def repairs(job: str, annotations: Mapping[str, str] | None = None) -> list[Mapping[str, str]]:
        pod = running(f"{job}-x7k2p", annotations, workload=Workload("shop", job, "Job"), namespace="shop")
        return [repair.annotations for repair in planner.plan([pod], 0)]

    assert repairs("backup-20261129", profiled) == []  # not listed yet
    registry.put(WorkloadRecord(Workload("shop", "backup-20261129", "Job")))
    registry.put(WorkloadRecord(Workload("shop", "manual", "Job"), cron_job=backup))
    assert repairs("backup-20261129", profiled) == [{}]
    assert repairs("manual") == [profiled]
    assert repairs("backup-2", profiled) == [{}]  # seven digits less than a schedule has

"""Cycles while Pods or a kind of workloads can't be read: nothing is guessed, lost or taken for gone."""

from dataclasses import replace

import pytest

from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.ports import ClusterPorts
from tests.profiler.emojivoto_prometheus import CONTAINERS, PODS, EmojivotoPrometheus
from tests.profiler.scenario import DEPLOYMENTS, Scenario, same_profiles
from tests.profiler.teams_prometheus import Teams

LISTED = {("emojivoto", pod): Workload("emojivoto", name) for name, pod in PODS.items()}
KNOWN = ClusterSnapshot(pods=LISTED, workloads=DEPLOYMENTS)
NO_PODS = ClusterSnapshot(workloads=DEPLOYMENTS, unread=frozenset({("Pod", "")}))
DAY_MINUTES = 24 * 60


class Changing:
    """A lister whose snapshot a test replaces."""

    def __init__(self, snapshot: ClusterSnapshot) -> None:
        self.now = snapshot

    async def snapshot(self) -> ClusterSnapshot:
        """The current one."""
        return self.now


def scenario(
    snapshot: ClusterSnapshot, prometheus: EmojivotoPrometheus | None = None
) -> tuple[Scenario, Changing]:
    """A leader with that snapshot, and the lister."""
    lister = Changing(snapshot)
    leader = Scenario(prometheus or EmojivotoPrometheus())
    cluster = ClusterPorts(lister, leader.profiles, leader.sink)
    return _on(leader, cluster), lister


def _on(leader: Scenario, cluster: ClusterPorts) -> Scenario:
    joined = Scenario(leader.prometheus, leader.profiles, cluster=cluster)
    joined.sink = leader.sink
    return joined


async def test_without_pods_names_of_known_workloads_decide() -> None:
    """The four Deployments are listed, and each Pod has the name of one: all values are those with Pods."""
    with_pods, _ = scenario(KNOWN)
    await with_pods.cycle()
    leader, _ = scenario(NO_PODS)

    report = await leader.cycle()

    assert leader.values == with_pods.values
    assert len(leader.values) == 11
    assert report.faults == {}


async def test_without_pods_and_their_workloads_nothing_is_guessed_or_lost() -> None:
    """Deployments of `emojivoto` can't be listed either, and the source knows no owners: no profile of them.

    The reason is named, and the namespace `shop` goes on. Once both are listed, the whole past is read: the
    samples are those of a leader without faults.
    """
    with_pods, _ = scenario(KNOWN, Teams("emojivoto", "shop").prometheus)
    for minutes in (0, 5):
        await with_pods.cycle(minutes)
    unread = frozenset({("Pod", "emojivoto"), ("Deployment", "emojivoto")})
    leader, lister = scenario(ClusterSnapshot(unread=unread), Teams("emojivoto", "shop").prometheus)

    report = await leader.cycle()
    subjects = (profile.subject for profile in leader.profiles.catalogue)
    assert {one.namespace for one in subjects if isinstance(one, Workload)} == {"shop"}
    reason = report.faults["cpu of namespace emojivoto"]
    assert reason.startswith("Pods can't be read, and nothing else names the owner of ")

    lister.now = KNOWN
    report = await leader.cycle(minutes=5)
    assert report.faults == {}
    assert leader.values.keys() == with_pods.values.keys()
    assert same_profiles(leader.learned(5), with_pods.learned(5))


async def test_a_namespace_without_unknown_pods_goes_on() -> None:
    """A Pod of an unknown owner appears while Pods can't be read: its namespace waits."""
    prometheus = EmojivotoPrometheus(containers=dict(CONTAINERS))
    leader, lister = scenario(KNOWN, prometheus)
    await leader.cycle()
    before = leader.values
    lister.now = replace(KNOWN, unread=frozenset({("Pod", "")}))

    assert (await leader.cycle(minutes=5)).faults == {}  # all Pods are known from before
    prometheus.containers["db-0", "db"] = (0.5, 1e6)
    report = await leader.cycle(minutes=10)

    assert list(report.faults) == [
        "cpu of namespace emojivoto",
        "memory of namespace emojivoto",
        "cpu",
        "memory",
    ]
    assert leader.values == before


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        pytest.param("Deployment", 11, id="its-kind"),
        pytest.param("Pod", 11, id="pods"),
        pytest.param("StatefulSet", 0, id="another-kind"),
    ],
)
@pytest.mark.parametrize("place", ["", "emojivoto"])
async def test_nothing_expires_of_a_kind_that_can_not_be_read(kind: str, place: str, kept: int) -> None:
    """The four Deployments have had no usage for 31 days, and their profiles expire after 30.

    If Deployments or Pods can't be read, they may run: all 11 profiles stay. Another kind changes nothing.
    A namespace of its own is kept alive by `db`, so that the queries have samples.
    """
    prometheus = EmojivotoPrometheus(containers=dict(CONTAINERS))
    leader, lister = scenario(KNOWN, prometheus)
    await leader.cycle()
    assert len(leader.values) == 11
    prometheus.containers.clear()
    prometheus.edges.clear()
    prometheus.containers["db-0", "db"] = (0.5, 1e6)
    database = Workload("emojivoto", "db", "StatefulSet")
    pods = {**LISTED, ("emojivoto", "db-0"): database}
    lister.now = replace(KNOWN, pods=pods, unread=frozenset({(kind, place)}))
    expired = 31 * DAY_MINUTES

    await leader.cycle(minutes=expired)

    remaining = [profile for profile in leader.profiles.catalogue if profile.identity.subject != database]
    assert len(remaining) == kept


def test_a_snapshot_knows_the_usage_of_what_can_be_read() -> None:
    """By kind and namespace; a CronJob needs its Jobs, and a connection both of its ends."""
    snapshot = ClusterSnapshot(unread=frozenset({("Job", ""), ("StatefulSet", "shop")}))

    assert not snapshot.knows_usage_of(Workload("shop", "report", "CronJob"))
    assert not snapshot.knows_usage_of(Workload("shop", "db", "StatefulSet"))
    assert snapshot.knows_usage_of(Workload("bank", "db", "StatefulSet"))
    assert snapshot.knows_usage_of(Workload("shop", "web"))
    assert snapshot.knows_all_pods

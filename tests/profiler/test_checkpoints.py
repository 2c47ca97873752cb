"""A new leader continues from check-points: no sample is lost, queried or counted twice."""

import zlib
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.domain.profiles import Profile
from app.errors import ForbiddenError, UnavailableError
from app.profiler import checkpoints as module
from tests.history.checkpoint.hostile import zeros
from tests.profiler.cluster_state import ClusterState
from tests.profiler.emojivoto_prometheus import SIGNALS, Fault, Question
from tests.profiler.memory_checkpoints import Killed, dies_at, fails
from tests.profiler.scenario import NEWEST_STEP_SECONDS, Scenario, same_profiles
from tests.profiler.varying_usage import varying_prometheus
from tests.sources.wire import successful

# With this planned size nearly every workload has a shard of its own.
SMALL_SHARD_BYTES, LARGE_SHARD_BYTES = 200, 10**6


async def without_restart(minutes: float) -> dict[Any, Profile]:
    """The profiles of one leader without check-points that runs from noon on."""
    scenario = Scenario(varying_prometheus())
    for at in range(0, int(minutes) + 1, 5):
        await scenario.cycle(at)
    return scenario.learned(minutes)


def without_samples_until(second: int) -> Fault:
    """A Prometheus without samples until *second*."""

    def answer(_question: Question, body: Any) -> httpx.Response:
        for row in body["data"]["result"]:
            row["values"] = [value for value in row["values"] if value[0] > second]
        body["data"]["result"] = [row for row in body["data"]["result"] if row["values"]]
        return successful(body)

    return answer


async def test_a_new_leader_queries_later_steps() -> None:
    """Stored at noon, restored at 12:20: only the steps since 11:55, which had not settled, are queried."""
    cluster = ClusterState()
    assert (await cluster.leader().cycle()).checkpoints_written == 1
    stored = dict(cluster.profiles.manifests)
    cluster.prometheus.questions.clear()

    new = cluster.leader()
    report = await new.cycle(minutes=20)

    queried = {
        (q.start, q.end) for q in cluster.prometheus.questions if q.signal in SIGNALS and q.start < q.end
    }
    assert queried == {(NEWEST_STEP_SECONDS - 300, NEWEST_STEP_SECONDS + 1200)}
    assert (report.written, cluster.profiles.manifests) == (0, stored)
    assert same_profiles(new.learned(20), await without_restart(20))


async def test_a_new_leader_queries_the_newest_steps_again() -> None:
    """No other step is missing; the samples of the two that had not settled are folded later."""
    cluster = ClusterState()
    await cluster.leader().cycle()
    cluster.prometheus.questions.clear()

    new = cluster.leader()
    report = await new.cycle(minutes=1)

    queried = {
        (q.start, q.end) for q in cluster.prometheus.questions if q.signal in SIGNALS and q.start < q.end
    }
    assert queried == {(NEWEST_STEP_SECONDS - 300, NEWEST_STEP_SECONDS)}
    assert {state.health.value for state in report.states} == {"Ok"}
    assert report.samples == 0
    assert same_profiles(new.learned(0), await without_restart(0))


async def test_a_recovery_is_noticed_without_missing_steps() -> None:
    """Prometheus fails when the new leader begins, and recovers a minute later, before the next step."""
    cluster = ClusterState()
    await cluster.leader().cycle()
    cluster.prometheus.faults = dict.fromkeys(SIGNALS, lambda *_: httpx.Response(500))

    new = cluster.leader()
    failing = await new.cycle(minutes=1)
    cluster.prometheus.faults = {}
    recovered = await new.cycle(minutes=2)

    assert {state.health.value for state in failing.states} == {"Failing"}
    assert {state.health.value for state in recovered.states} == {"Ok"}
    assert recovered.samples == 0


async def test_check_points_keep_what_prometheus_has_deleted() -> None:
    """Prometheus keeps two hours, and leaders change every five hours: all samples of two days count.

    A shard is due after a quarter of the two hours, so no sample leaves Prometheus before it is stored.
    """
    cluster = ClusterState(varying_prometheus())
    cluster.prometheus.retention = "2h"
    last = 2 * 24 * 60
    whole = Scenario(varying_prometheus())

    for minutes in range(0, last + 1, 25):
        if minutes % 300 == 0:
            leader = cluster.leader()
        fault = without_samples_until(NEWEST_STEP_SECONDS + minutes * 60 - 7200)
        cluster.prometheus.faults = dict.fromkeys(SIGNALS, fault)
        whole.prometheus.faults = cluster.prometheus.faults if minutes == 0 else {}
        await leader.cycle(minutes)
        await whole.cycle(minutes)

    learned, expected = leader.learned(last), whole.learned(last)
    assert max(profile.basis.samples for profile in expected.values()) > 2 * 2 * 288
    assert same_profiles(learned, expected)


@pytest.mark.parametrize("number", range(6))
async def test_a_leader_that_is_killed_while_it_writes_loses_nothing(number: int) -> None:
    """Killed at 13:05 while writing its n-th shard: the next leader joins shards of two ages."""
    cluster = ClusterState()
    leader = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    await leader.cycle()
    assert len(cluster.checkpoints.shards) >= 4
    cluster.prometheus.faults = dict.fromkeys(SIGNALS, without_samples_until(NEWEST_STEP_SECONDS - 600))
    cluster.checkpoints.before = dies_at("write", number)
    survived = True
    for minutes in range(5, 66, 5):
        try:
            await leader.cycle(minutes)
        except Killed:
            survived = False
    assert survived == (number >= len(cluster.checkpoints.shards))
    cluster.checkpoints.before = lambda _verb, _name: None

    new = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    await new.cycle(minutes=70)

    assert same_profiles(new.learned(70), await without_restart(70))


async def test_a_leader_that_is_killed_while_it_splits_loses_nothing() -> None:
    """One shard is split into many, and many become one; killed at every write and removal in between.

    Samples that had settled at noon are in the shards alone: Prometheus has deleted them.
    """
    expected = await without_restart(65)
    sizes = (LARGE_SHARD_BYTES, SMALL_SHARD_BYTES)
    for before, after in (sizes, sizes[::-1]):
        for verb, number in [*(("write", n) for n in range(7)), *(("remove", n) for n in range(5))]:
            cluster = ClusterState()
            await cluster.leader(shard_bytes=before).cycle()
            cluster.prometheus.faults = dict.fromkeys(
                SIGNALS, without_samples_until(NEWEST_STEP_SECONDS - 600)
            )
            cluster.checkpoints.before = dies_at(verb, number)
            try:
                await cluster.leader(shard_bytes=after).cycle(minutes=61)
            except Killed:
                cluster.checkpoints.before = lambda _verb, _name: None
            new = cluster.leader()
            await new.cycle(minutes=65)
            assert same_profiles(new.learned(65), expected)


async def test_unneeded_shards_are_removed() -> None:
    """Many small shards become one when they fit into one: no other object is left."""
    cluster = ClusterState()
    await cluster.leader(shard_bytes=SMALL_SHARD_BYTES).cycle()
    assert len(cluster.checkpoints.shards) >= 4

    await cluster.leader(shard_bytes=LARGE_SHARD_BYTES).cycle(minutes=61)

    assert list(cluster.checkpoints.shards) == ["000000000000"]
    new = cluster.leader()
    await new.cycle(minutes=65)
    assert same_profiles(new.learned(65), await without_restart(65))


async def test_all_shards_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one decoded shard the others are named, not decoded, and their past is queried again."""
    cluster = ClusterState()
    await cluster.leader(shard_bytes=SMALL_SHARD_BYTES).cycle()
    assert len(cluster.checkpoints.shards) >= 4
    sizes = [len(zlib.decompress(data[38:])) for _, data in cluster.checkpoints.shards.values()]
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", max(sizes))

    new = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    with capture_logs() as log:
        await new.cycle(minutes=5)

    named = [line["reason"] for line in log if line["event"] == "checkpoint_unreadable"]
    assert named
    assert set(named) == {"CheckpointTooLarge"}
    assert same_profiles(new.learned(5), await without_restart(5))


async def test_no_shard_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the estimate was too low, a shard is halved until each part fits: 1500 bytes here."""
    monkeypatch.setattr(module, "MAX_BYTES", 1500)
    cluster = ClusterState()
    await cluster.leader().cycle()

    sizes = [len(data) for _, data in cluster.checkpoints.shards.values()]
    assert len(sizes) > 1
    assert max(sizes) <= 1500


def damaged(data: bytes) -> bytes:
    """The data with one bit flipped."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damaged, "CheckpointCorrupt"),
        (lambda data: b"JPCP\x03\x00" + data[6:], "CheckpointOtherVersion"),
        (lambda _data: b"", "CheckpointCorrupt"),
        (lambda _data: zeros(), "CheckpointTooLarge"),
    ],
    ids=["corrupt", "future", "empty", "inflated"],
)
async def test_an_unreadable_shard_is_reported_and_queried_again(damage: Any, reason: str) -> None:
    """One log line and one Event; the past of its workloads is queried again, and nothing counts twice.

    The shard is stored again at once, so that the next leader can read it.
    """
    cluster = ClusterState()
    await cluster.leader(shard_bytes=SMALL_SHARD_BYTES).cycle()
    names = sorted(cluster.checkpoints.shards)
    cluster.checkpoints.overwrite(names[1], damage(cluster.checkpoints.shards[names[1]][1]))

    new = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    with capture_logs() as log:
        await new.cycle(minutes=5)

    unreadable = [line for line in log if line["event"] == "checkpoint_unreadable"]
    assert [line["reason"] for line in unreadable] == [reason]
    assert [(name, warning) for name, _, warning in cluster.sink.events] == [(reason, True)]
    assert names[1] in cluster.sink.events[0][1]
    assert same_profiles(new.learned(5), await without_restart(5))
    cluster.sink.events.clear()
    next_leader = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    await next_leader.cycle(minutes=10)
    assert cluster.sink.events == []
    assert same_profiles(next_leader.learned(10), await without_restart(10))


async def test_without_permission_there_are_no_check_points() -> None:
    """An older chart does not grant it: reported once, and every leader reads the past again."""
    cluster = ClusterState()
    cluster.checkpoints.before = fails(ForbiddenError("configmaps is forbidden"), "list", "write")
    leader = cluster.leader()
    with capture_logs() as log:
        for minutes in (0, 5, 10):
            await leader.cycle(minutes)

    assert leader.checkpoint_faults == dict.fromkeys(
        ["check-points", "writes of check-points"], "configmaps is forbidden"
    )
    assert [reason for reason, _, _ in cluster.sink.events] == ["CheckpointsForbidden"]
    events = [line["event"] for line in log if line["log_level"] == "warning"]
    assert events == ["checkpoint_unreadable", "checkpoints_not_written"]
    assert same_profiles(leader.learned(10), await without_restart(10))


async def test_a_leader_waits_for_check_points() -> None:
    """During an outage of the API server the cycle fails and writes nothing; the next one restores."""
    cluster = ClusterState()
    await cluster.leader().cycle()
    cluster.checkpoints.before = fails(UnavailableError("later"), "list", "read")
    new = cluster.leader()
    cluster.prometheus.questions.clear()

    with pytest.raises(UnavailableError):
        await new.cycle(minutes=5)
    assert cluster.prometheus.questions == []
    cluster.checkpoints.before = lambda _verb, _name: None
    await new.cycle(minutes=10)

    assert same_profiles(new.learned(10), await without_restart(10))


async def test_an_old_leader_overwrites_nothing() -> None:
    """It stalled before it stored; meanwhile another leader stored a shard, which stays."""
    cluster = ClusterState()
    old, new = cluster.leader(), cluster.leader()
    await old.cycle()
    await new.cycle(minutes=5)
    await new.cycle(minutes=66)
    before = dict(cluster.checkpoints.shards)

    with capture_logs() as log:
        report = await old.cycle(minutes=70)

    assert report.checkpoints_written == 0
    assert [line["event"] for line in log if line["log_level"] == "warning"] == ["checkpoints_not_written"]
    assert cluster.checkpoints.shards == before


@pytest.mark.parametrize(
    ("retention", "due"),
    [("15d", 60), ("1h", 15), ("2h or 10GiB", 30), ("10GiB", 60), ("", 60)],
)
async def test_a_shard_is_stored_once_an_hour_or_sooner(retention: str, due: int) -> None:
    """Every hour, and before a quarter of the retention of Prometheus has passed."""
    cluster = ClusterState()
    cluster.prometheus.retention = retention
    leader = cluster.leader()
    written = {minutes: (await leader.cycle(minutes)).checkpoints_written for minutes in range(0, 121, 5)}

    assert [minutes for minutes, count in written.items() if count] == list(range(0, 121, due))


async def test_a_restart_does_not_postpone_a_due_shard() -> None:
    """Leaders change every ten minutes: the shard of noon is an hour old at 13:00, and stored."""
    cluster = ClusterState()
    written = [(await cluster.leader().cycle(minutes)).checkpoints_written for minutes in range(0, 121, 10)]

    assert written == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]


async def test_unchanged_shards_are_not_written() -> None:
    """An outage of Prometheus for five hours: no write; after the recovery, one."""
    cluster = ClusterState()
    leader = cluster.leader()
    await leader.cycle()
    cluster.prometheus.faults = dict.fromkeys(SIGNALS, lambda _question, _body: httpx.Response(400))
    written = [(await leader.cycle(minutes)).checkpoints_written for minutes in range(60, 301, 60)]
    cluster.prometheus.faults = {}

    assert written == [0] * 5
    assert (await leader.cycle(minutes=365)).checkpoints_written == 1


async def test_failed_writes_are_reported_once_and_retried() -> None:
    """Three rejections are one log line; the first successful attempt stores everything."""
    cluster = ClusterState()
    cluster.checkpoints.before = fails(UnavailableError("etcd is full"), "write")
    leader = cluster.leader()
    with capture_logs() as log:
        for minutes in (0, 5, 10):
            await leader.cycle(minutes)
        assert leader.checkpoint_faults == {"writes of check-points": "etcd is full"}
        cluster.checkpoints.before = lambda _verb, _name: None
        assert (await leader.cycle(minutes=15)).checkpoints_written == 1
        assert leader.checkpoint_faults == {}

    warned = [line["event"] for line in log if line["log_level"] == "warning"]
    assert warned == ["checkpoints_not_written"]


async def test_other_time_slots_start_without_history() -> None:
    """History of four time slots is unusable for a leader with six: reported, and read again."""
    cluster = ClusterState()
    await cluster.leader(shard_bytes=SMALL_SHARD_BYTES).cycle()
    new = cluster.leader(timeslots=6, shard_bytes=SMALL_SHARD_BYTES)
    await new.cycle(minutes=5)

    reasons = {reason for reason, _, _ in cluster.sink.events}
    assert reasons == {"CheckpointOtherSettings"}
    whole = Scenario(varying_prometheus(), timeslots=6)
    await whole.cycle()
    await whole.cycle(minutes=5)
    assert same_profiles(new.learned(5), whole.learned(5))

"""A new leader continues from check-points: no sample is lost, queried or counted twice."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.domain.profiles import Profile
from app.errors import ForbiddenError, UnavailableError
from app.profiler import checkpoints as module
from tests.profiler.cluster_state import ClusterState
from tests.profiler.emojivoto_prometheus import SIGNALS, Fault, Question
from tests.profiler.memory_checkpoints import Killed, dies_at, fails
from tests.profiler.scenario import NEWEST_STEP_SECONDS, Scenario, same_profiles
from tests.profiler.varying_usage import varying_prometheus

# With this planned size nearly every workload has a shard of its own.
SMALL_SHARD_BYTES, LARGE_SHARD_BYTES = 200, 10**6


async def undisturbed(minutes: float) -> dict[Any, Profile]:
    """The profiles of one leader without check-points that runs from noon on."""
    scenario = Scenario(varying_prometheus())
    for at in range(0, int(minutes) + 1, 5):
        await scenario.cycle(at)
    return scenario.learned(minutes)


def knows_since(second: int) -> Fault:
    """A Prometheus without samples until *second*."""

    def answer(_question: Question, body: Any) -> httpx.Response:
        for row in body["data"]["result"]:
            row["values"] = [each for each in row["values"] if each[0] > second]
        body["data"]["result"] = [row for row in body["data"]["result"] if row["values"]]
        return httpx.Response(200, json=body)

    return answer


async def test_a_new_leader_asks_for_what_came_since() -> None:
    """Stored at noon, restored at 12:20: of the past, only the steps of 12:05 to 12:20 are queried."""
    cluster = ClusterState()
    assert (await cluster.leader().cycle()).checkpoints_written == 1
    stored = dict(cluster.profiles.manifests)
    cluster.prometheus.questions.clear()

    new = cluster.leader()
    report = await new.cycle(minutes=20)

    asked = {
        (q.start, q.end) for q in cluster.prometheus.questions if q.signal in SIGNALS and q.start < q.end
    }
    assert asked == {(NEWEST_STEP_SECONDS + 300, NEWEST_STEP_SECONDS + 1200)}
    assert (report.written, cluster.profiles.manifests) == (0, stored)
    assert same_profiles(new.learned(20), await undisturbed(20))


async def test_a_new_leader_of_the_same_minute_asks_if_the_sources_answer() -> None:
    """No step is missing; the newest one is queried again for the signal states, and is not counted again."""
    cluster = ClusterState()
    await cluster.leader().cycle()
    cluster.prometheus.questions.clear()

    new = cluster.leader()
    report = await new.cycle(minutes=1)

    asked = {(q.start, q.end) for q in cluster.prometheus.questions if q.signal in SIGNALS}
    assert asked == {(NEWEST_STEP_SECONDS, NEWEST_STEP_SECONDS)}
    assert {state.health.value for state in report.states} == {"Ok"}
    assert report.samples == 0
    assert same_profiles(new.learned(0), await undisturbed(0))


async def test_a_source_that_answers_again_is_noticed_though_nothing_is_missing() -> None:
    """Prometheus fails as the new leader begins and recovers a minute later, before the next step."""
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


async def test_what_prometheus_forgot_is_still_known() -> None:
    """Prometheus keeps two hours. Leaders change every five hours for two days; all samples count.

    A shard is due after a quarter of the two hours, so that nothing leaves Prometheus before it is stored.
    """
    cluster = ClusterState(varying_prometheus())
    cluster.prometheus.retention = "2h"
    last = 2 * 24 * 60
    whole = Scenario(varying_prometheus())

    for minutes in range(0, last + 1, 25):
        if minutes % 300 == 0:
            leader = cluster.leader()
        fault = knows_since(NEWEST_STEP_SECONDS + minutes * 60 - 7200)
        cluster.prometheus.faults = dict.fromkeys(SIGNALS, fault)
        whole.prometheus.faults = cluster.prometheus.faults if minutes == 0 else {}
        await leader.cycle(minutes)
        await whole.cycle(minutes)

    learned, expected = leader.learned(last), whole.learned(last)
    assert max(profile.basis.samples for profile in expected.values()) > 2 * 2 * 288
    assert same_profiles(learned, expected)


@pytest.mark.parametrize("number", range(6))
async def test_a_leader_that_is_killed_while_it_stores_loses_nothing(number: int) -> None:
    """Killed at 13:05 while writing its n-th shard: shards have two ages, and the next leader joins them."""
    cluster = ClusterState()
    leader = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    await leader.cycle()
    assert len(cluster.checkpoints.shards) >= 4
    cluster.prometheus.faults = dict.fromkeys(SIGNALS, knows_since(NEWEST_STEP_SECONDS))
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

    assert same_profiles(new.learned(70), await undisturbed(70))


async def test_a_leader_that_is_killed_while_it_cuts_loses_nothing() -> None:
    """One shard is split into many, and many become one; killed at every write and removal in between.

    What was before noon is in the pieces alone: Prometheus has forgotten it.
    """
    expected = await undisturbed(65)
    sizes = (LARGE_SHARD_BYTES, SMALL_SHARD_BYTES)
    for before, after in (sizes, sizes[::-1]):
        for verb, number in [*(("write", n) for n in range(7)), *(("remove", n) for n in range(5))]:
            cluster = ClusterState()
            await cluster.leader(shard_bytes=before).cycle()
            cluster.prometheus.faults = dict.fromkeys(SIGNALS, knows_since(NEWEST_STEP_SECONDS))
            cluster.checkpoints.before = dies_at(verb, number)
            try:
                await cluster.leader(shard_bytes=after).cycle(minutes=61)
            except Killed:
                cluster.checkpoints.before = lambda _verb, _name: None
            new = cluster.leader()
            await new.cycle(minutes=65)
            assert same_profiles(new.learned(65), expected)


async def test_pieces_that_are_no_longer_needed_are_removed() -> None:
    """Many small shards become one when they fit into one: no other object is left."""
    cluster = ClusterState()
    await cluster.leader(shard_bytes=SMALL_SHARD_BYTES).cycle()
    assert len(cluster.checkpoints.shards) >= 4

    await cluster.leader(shard_bytes=LARGE_SHARD_BYTES).cycle(minutes=61)

    assert list(cluster.checkpoints.shards) == ["000000000000"]
    new = cluster.leader()
    await new.cycle(minutes=65)
    assert same_profiles(new.learned(65), await undisturbed(65))


async def test_no_piece_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the estimate was too low, a shard is halved until each part fits: 1500 bytes here."""
    monkeypatch.setattr(module, "MAX_BYTES", 1500)
    cluster = ClusterState()
    await cluster.leader().cycle()

    sizes = [len(data) for _, data in cluster.checkpoints.shards.values()]
    assert len(sizes) > 1
    assert max(sizes) <= 1500


def damaged(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damaged, "CheckpointCorrupt"),
        (lambda data: b"JPCP\x02\x00" + data[6:], "CheckpointOtherVersion"),
        (lambda _data: b"", "CheckpointCorrupt"),
    ],
    ids=["corrupt", "future", "empty"],
)
async def test_a_piece_that_can_not_be_read_is_told_and_read_again(damage: Any, reason: str) -> None:
    """One log line and one Event; the past of its workloads is queried again, nothing counts twice.

    It is stored anew at once, so that the next leader reads it.
    """
    cluster = ClusterState()
    await cluster.leader(shard_bytes=SMALL_SHARD_BYTES).cycle()
    names = sorted(cluster.checkpoints.shards)
    cluster.checkpoints.overwrite(names[1], damage(cluster.checkpoints.shards[names[1]][1]))

    new = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    with capture_logs() as log:
        await new.cycle(minutes=5)

    told = [line for line in log if line["event"] == "checkpoint_unreadable"]
    assert [line["reason"] for line in told] == [reason]
    assert [(each[0], each[2]) for each in cluster.sink.events] == [(reason, True)]
    assert names[1] in cluster.sink.events[0][1]
    assert same_profiles(new.learned(5), await undisturbed(5))
    cluster.sink.events.clear()
    again = cluster.leader(shard_bytes=SMALL_SHARD_BYTES)
    await again.cycle(minutes=10)
    assert cluster.sink.events == []
    assert same_profiles(again.learned(10), await undisturbed(10))


async def test_without_the_right_it_works_as_without_check_points() -> None:
    """An older chart grants no right to list them: reported once, and every leader reads the past again."""
    cluster = ClusterState()
    cluster.checkpoints.before = fails(ForbiddenError("configmaps is forbidden"), "list", "write")
    leader = cluster.leader()
    with capture_logs() as log:
        for minutes in (0, 5, 10):
            await leader.cycle(minutes)

    assert [reason for reason, _, _ in cluster.sink.events] == ["CheckpointsForbidden"]
    events = [line["event"] for line in log if line["log_level"] == "warning"]
    assert events == ["checkpoint_unreadable", "checkpoints_not_written"]
    assert same_profiles(leader.learned(10), await undisturbed(10))


async def test_a_leader_does_not_begin_without_what_may_be_there() -> None:
    """An outage of the API server: the cycle fails and writes nothing; the next one restores."""
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

    assert same_profiles(new.learned(10), await undisturbed(10))


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
async def test_a_piece_is_stored_once_an_hour_or_sooner(retention: str, due: int) -> None:
    """At most every hour, and before a quarter of the retention of Prometheus has passed."""
    cluster = ClusterState()
    cluster.prometheus.retention = retention
    leader = cluster.leader()
    written = {minutes: (await leader.cycle(minutes)).checkpoints_written for minutes in range(0, 121, 5)}

    assert [minutes for minutes, count in written.items() if count] == list(range(0, 121, due))


async def test_a_restart_does_not_put_off_what_is_due() -> None:
    """Leaders change every ten minutes: the shard of noon is an hour old at 13:00, and stored."""
    cluster = ClusterState()
    written = [(await cluster.leader().cycle(minutes)).checkpoints_written for minutes in range(0, 121, 10)]

    assert written == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]


async def test_what_did_not_change_is_not_written() -> None:
    """An outage of Prometheus for five hours: no write; after the recovery, one."""
    cluster = ClusterState()
    leader = cluster.leader()
    await leader.cycle()
    cluster.prometheus.faults = dict.fromkeys(SIGNALS, lambda _question, _body: httpx.Response(400))
    written = [(await leader.cycle(minutes)).checkpoints_written for minutes in range(60, 301, 60)]
    cluster.prometheus.faults = {}

    assert written == [0] * 5
    assert (await leader.cycle(minutes=365)).checkpoints_written == 1


async def test_writes_that_fail_are_told_once_and_tried_again() -> None:
    """Three rejections are one log line; the first successful attempt stores everything."""
    cluster = ClusterState()
    cluster.checkpoints.before = fails(UnavailableError("etcd is full"), "write")
    leader = cluster.leader()
    with capture_logs() as log:
        for minutes in (0, 5, 10):
            await leader.cycle(minutes)
        cluster.checkpoints.before = lambda _verb, _name: None
        assert (await leader.cycle(minutes=15)).checkpoints_written == 1

    warned = [line["event"] for line in log if line["log_level"] == "warning"]
    assert warned == ["checkpoints_not_written"]


async def test_other_time_slots_begin_anew() -> None:
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

"""The spec of a Lease through the hands of its holders."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.errors import ConflictError, NotFoundError
from app.kubernetes.client import ClusterClient
from app.kubernetes.leases import LeaseLock, claim_spec, release_spec
from tests.kubernetes.fake_api_server import FakeApiServer, answers
from tests.kubernetes.fake_lease import NAME, NAMESPACE, PATH, FakeLease

MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FIRST = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
LATER = FIRST + timedelta(seconds=2)


@pytest.fixture
def honolulu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's local time is ten hours behind UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Honolulu")
        time.tzset()
        yield
    time.tzset()


def lock_of(client: ClusterClient, identity: str, duration_seconds: float = 1) -> LeaseLock:
    return LeaseLock(client, NAMESPACE, NAME, identity, duration_seconds=duration_seconds)


def test_the_first_claim() -> None:
    """The first holder of an empty spec writes five fields; there was no transition, so their count is 0."""
    assert claim_spec({}, "a", duration_seconds=15, now=FIRST) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-03-01T12:00:00.000250Z",
        "renewTime": "2026-03-01T12:00:00.000250Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_moves_only_the_renew_time() -> None:
    """The holder keeps its acquire time and the count of transitions, and fields of others stay."""
    held = claim_spec({"strategy": "other"}, "a", duration_seconds=15, now=FIRST)

    renewed = claim_spec(held, "a", duration_seconds=15, now=LATER)

    assert renewed == held | {"renewTime": "2026-03-01T12:00:02.000250Z"}


def test_a_transition_is_counted() -> None:
    """Another holder after a's end or release is one more transition, with an acquire time of its own."""
    held = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    for before in (held, release_spec(held, now=FIRST)):
        taken = claim_spec(before, "b", duration_seconds=15, now=LATER)
        assert taken["leaseTransitions"] == 1
        assert taken["acquireTime"] == "2026-03-01T12:00:02.000250Z"


def test_a_freed_lease() -> None:
    """A released Lease has no holder and lasts 1 s, for candidates that look at that; the count is kept."""
    held = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    assert release_spec(held, now=LATER) == held | {
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "renewTime": "2026-03-01T12:00:02.000250Z",
    }


def test_durations_are_whole_seconds() -> None:
    """The API takes whole seconds, at least one: 0.3 s is announced as 1 and 15.5 s as 16, never as less."""
    announced = [
        claim_spec({}, "a", duration_seconds=seconds, now=FIRST)["leaseDurationSeconds"]
        for seconds in (0.3, 15.5)
    ]

    assert announced == [1, 16]


def test_times_are_utc() -> None:
    """12:00 in UTC+2 is written as 10:00Z."""
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert release_spec({}, now=noon)["renewTime"] == "2026-03-01T10:00:00.000000Z"


@pytest.mark.usefixtures("honolulu")
async def test_the_local_time_zone_is_not_written(server: FakeApiServer, client: ClusterClient) -> None:
    """A process with a local time other than UTC writes the renew time in UTC, not ten hours off."""
    lease = FakeLease(server)

    assert await lock_of(client, "a").try_to_hold()

    text = lease.spec["renewTime"]
    assert MICRO_TIME.fullmatch(text)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(minutes=1)


async def test_a_renewal_is_one_request(server: FakeApiServer, client: ClusterClient) -> None:
    """A claim reads and writes, each renewal only writes: GET, PUT, PUT, PUT."""
    FakeLease(server)
    lock = lock_of(client, "a")

    assert [await lock.try_to_hold() for _ in range(3)] == [True, True, True]

    assert [request.verb for request in server.requests] == ["GET", "PUT", "PUT", "PUT"]


async def test_a_renewal_reads_again_after_a_conflict(server: FakeApiServer, client: ClusterClient) -> None:
    """After another client labels the Lease, one renewal conflicts and the next one succeeds."""
    lease = FakeLease(server)
    lock = lock_of(client, "a")
    await lock.try_to_hold()
    lease.manifest = lease.manifest | {"metadata": {"name": NAME, "resourceVersion": "77", "labels": {}}}

    with pytest.raises(ConflictError):
        await lock.try_to_hold()

    assert await lock.try_to_hold()


async def test_an_expiry_is_counted_from_what_was_seen(server: FakeApiServer, client: ClusterClient) -> None:
    """A renew time of last year frees nothing: the Lease is free once it was seen unchanged for its own 1 s.

    The candidate's own duration of 60 s is not what counts.
    """
    lease = FakeLease(server)
    old = datetime(2025, 1, 1, tzinfo=UTC)
    lease.manifest["spec"] = claim_spec({}, "a", duration_seconds=1, now=old)
    lock = lock_of(client, "b", duration_seconds=60)

    began = time.monotonic()
    assert not await lock.try_to_hold()
    while not await lock.try_to_hold():
        assert lease.holder == "a"

    assert 1 <= time.monotonic() - began < 2


async def test_a_changing_lease_never_expires(server: FakeApiServer, client: ClusterClient) -> None:
    """A holder with a clock one year behind keeps the Lease as long as it renews."""
    lease = FakeLease(server)
    lock = lock_of(client, "b")
    began = time.monotonic()
    moment = datetime(2025, 1, 1, tzinfo=UTC)

    while time.monotonic() - began < 1.5:
        moment += timedelta(milliseconds=1)
        lease.manifest["spec"] = claim_spec(lease.spec, "a", duration_seconds=1, now=moment)
        assert not await lock.try_to_hold()


async def test_the_same_identity_goes_on_at_once(server: FakeApiServer, client: ClusterClient) -> None:
    """A container that was restarted in its Pod holds its Lease without waiting, and without a transition."""
    lease = FakeLease(server)
    lease.manifest["spec"] = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    assert await lock_of(client, "a").try_to_hold()

    assert lease.spec["leaseTransitions"] == 0


async def test_only_the_holder_releases(server: FakeApiServer, client: ClusterClient) -> None:
    """A release after the Lease was lost does not affect the new holder."""
    lease = FakeLease(server)
    lease.manifest["spec"] = held = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    await lock_of(client, "b").release()

    assert lease.spec == held


async def test_a_release_survives_a_late_renewal(server: FakeApiServer, client: ClusterClient) -> None:
    """When the last renewal reaches the API server between the release's read and write, it still frees."""
    lease = FakeLease(server)
    lock = lock_of(client, "a")
    await lock.try_to_hold()
    stale = {**lease.manifest, "metadata": {"name": NAME, "resourceVersion": "1"}}
    server.on("GET", PATH, answers(stale), lease._get)

    await lock.release()

    assert lease.holder == ""


async def test_a_missing_lease_says_what_to_do(server: FakeApiServer, client: ClusterClient) -> None:
    """A Lease that is not there is not created: the error says that the chart brings it."""
    with pytest.raises(NotFoundError, match=r"Lease profiling/job-profiler is missing.*Helm chart"):
        await lock_of(client, "a").try_to_hold()

    assert [request.verb for request in server.requests] == ["GET"]

"""The spec of a Lease as its holders write it, and its expiry."""

import asyncio
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


async def held_at_last(lock: LeaseLock) -> None:
    """Contend without pauses."""
    async with asyncio.timeout(30):
        while not await lock.try_to_hold():
            pass


def test_the_first_claim() -> None:
    """The first holder writes five fields; no transition has occurred, so their number is 0."""
    assert claim_spec({}, "a", duration_seconds=15, now=FIRST) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-03-01T12:00:00.000250Z",
        "renewTime": "2026-03-01T12:00:00.000250Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_moves_only_the_renew_time() -> None:
    """Acquire time, number of transitions and fields of other clients stay."""
    held = claim_spec({"strategy": "other"}, "a", duration_seconds=15, now=FIRST)

    renewed = claim_spec(held, "a", duration_seconds=15, now=LATER)

    assert renewed == held | {"renewTime": "2026-03-01T12:00:02.000250Z"}


def test_a_transition_is_counted() -> None:
    """A new holder, after expiry or release, adds a transition and has an acquire time of its own."""
    held = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    for before in (held, release_spec(held, now=FIRST)):
        taken = claim_spec(before, "b", duration_seconds=15, now=LATER)
        assert taken["leaseTransitions"] == 1
        assert taken["acquireTime"] == "2026-03-01T12:00:02.000250Z"


def test_a_released_lease() -> None:
    """No holder, a duration of 1 s for candidates that read it, and the number of transitions."""
    held = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    assert release_spec(held, now=LATER) == held | {
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "renewTime": "2026-03-01T12:00:02.000250Z",
    }


def test_durations_are_whole_seconds() -> None:
    """The API requires whole seconds of 1 or more, so 0.3 s is rounded up to 1 and 15.5 s to 16."""
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
    """A process with another local time writes the renew time in UTC, not ten hours off."""
    lease = FakeLease(server)

    assert await lock_of(client, "a").try_to_hold()

    text = lease.spec["renewTime"]
    assert MICRO_TIME.fullmatch(text)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(minutes=1)


async def test_a_renewal_is_one_request(server: FakeApiServer, client: ClusterClient) -> None:
    """A claim reads and writes, and each renewal only writes: GET, PUT, PUT, PUT."""
    FakeLease(server)
    lock = lock_of(client, "a")

    assert [await lock.try_to_hold() for _ in range(3)] == [True, True, True]

    assert [request.verb for request in server.requests] == ["GET", "PUT", "PUT", "PUT"]


async def test_a_renewal_reads_again_after_a_conflict(server: FakeApiServer, client: ClusterClient) -> None:
    """After another client labels the Lease, one renewal is a conflict, and the next one succeeds."""
    lease = FakeLease(server)
    lock = lock_of(client, "a")
    await lock.try_to_hold()
    lease.manifest = lease.manifest | {"metadata": {"name": NAME, "resourceVersion": "77", "labels": {}}}

    with pytest.raises(ConflictError):
        await lock.try_to_hold()

    assert await lock.try_to_hold()


@pytest.mark.parametrize("stated", [1, 2**31 - 1, -15, 0, None, "15", [15]], ids=str)
async def test_an_expiry_is_counted_from_the_last_observed_change(
    server: FakeApiServer, client: ClusterClient, stated: object
) -> None:
    """A renew time of last year is no expiry: the Lease expires once it was unchanged for our own 0.5 s.

    The duration that the Lease states does not count, neither 68 years nor what is no duration.
    """
    lease = FakeLease(server)
    old = datetime(2025, 1, 1, tzinfo=UTC)
    lease.manifest["spec"] = claim_spec({}, "a", duration_seconds=1, now=old) | {
        "leaseDurationSeconds": stated
    }
    lock = lock_of(client, "b", duration_seconds=0.5)

    began = time.monotonic()
    assert not await lock.try_to_hold()
    await held_at_last(lock)

    assert time.monotonic() - began >= 0.5
    assert lease.spec["leaseDurationSeconds"] == 1


@pytest.mark.parametrize(
    "garbage",
    [
        {"renewTime": "yesterday", "acquireTime": None},
        {"renewTime": 12, "leaseTransitions": "many"},
        {"leaseTransitions": None},
        {"leaseTransitions": 2**31 - 1},
        {"leaseTransitions": -1},
        {"holderIdentity": {"a": 1}},
        {"holderIdentity": ["a"]},
    ],
    ids=str,
)
async def test_a_lease_with_garbage_is_claimed(
    server: FakeApiServer, client: ClusterClient, garbage: dict[str, object]
) -> None:
    """Its fields are written anew; the number of transitions starts again before it exceeds 32 bits."""
    lease = FakeLease(server)
    lease.manifest["spec"] = claim_spec({}, "a", duration_seconds=15, now=FIRST) | garbage
    lock = lock_of(client, "b", duration_seconds=0.01)

    await held_at_last(lock)

    written = lease.spec
    assert (written["holderIdentity"], written["leaseDurationSeconds"]) == ("b", 1)
    assert written["leaseTransitions"] == (0 if "leaseTransitions" in garbage else 1)
    assert MICRO_TIME.fullmatch(written["renewTime"])
    assert MICRO_TIME.fullmatch(written["acquireTime"])


@pytest.mark.parametrize("spec", [None, [], "held", 7], ids=str)
async def test_a_lease_without_a_readable_spec_is_free(
    server: FakeApiServer, client: ClusterClient, spec: object
) -> None:
    """As a Lease that was never held."""
    lease = FakeLease(server)
    lease.manifest["spec"] = spec

    assert await lock_of(client, "a").try_to_hold()
    assert lease.holder == "a"


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


async def test_the_same_identity_continues_at_once(server: FakeApiServer, client: ClusterClient) -> None:
    """A container that was restarted in its Pod holds its Lease again without a wait or a transition."""
    lease = FakeLease(server)
    lease.manifest["spec"] = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    assert await lock_of(client, "a").try_to_hold()

    assert lease.spec["leaseTransitions"] == 0


async def test_only_the_holder_releases(server: FakeApiServer, client: ClusterClient) -> None:
    """A release by a former holder leaves the new holder's Lease unchanged."""
    lease = FakeLease(server)
    lease.manifest["spec"] = held = claim_spec({}, "a", duration_seconds=15, now=FIRST)

    await lock_of(client, "b").release()

    assert lease.spec == held


async def test_a_release_survives_a_late_renewal(server: FakeApiServer, client: ClusterClient) -> None:
    """A renewal that is stored between the release's read and write is a conflict: the release is retried."""
    lease = FakeLease(server)
    lock = lock_of(client, "a")
    await lock.try_to_hold()
    stale = {**lease.manifest, "metadata": {"name": NAME, "resourceVersion": "1"}}
    server.on("GET", PATH, answers(stale), lease._get)

    await lock.release()

    assert lease.holder == ""


async def test_a_missing_lease_is_not_created(server: FakeApiServer, client: ClusterClient) -> None:
    """The error says that the Helm chart contains the Lease."""
    with pytest.raises(NotFoundError, match=r"Lease profiling/job-profiler is missing.*Helm chart"):
        await lock_of(client, "a").try_to_hold()

    assert [request.verb for request in server.requests] == ["GET"]

"""Plans of Events on workloads: their causes, grouping, messages and limits."""

from datetime import UTC, datetime

import pytest

from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    Identity,
    ProfileKind,
    Resource,
    ResourceProfile,
    StoredProfile,
)
from app.domain.workloads import Connection, Workload
from app.profiler.cycle.plan_events import plan_events
from app.profiler.profile_write import ProfileWrite
from app.profiler.rate_limiter import SlidingWindowLimit
from app.profiler.workload_event import EventReason, WorkloadEvent

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5)
WEB, VOTING, DB = Workload("shop", "web"), Workload("shop", "voting"), Workload("bank", "db", "StatefulSet")
REMOVED = "no new samples, so removed"
PER_MINUTE = "requests and responses a minute"
UIDS = {WEB: "u1", VOTING: "u2", DB: "u3"}


def need(
    value: str, before: str | None = None, workload: Workload = WEB, resource: str = "cpu"
) -> ProfileWrite:
    """A CPU or memory profile that was written over the value *before*."""
    profile = ResourceProfile(workload, Resource(resource), value, BASIS)
    return ProfileWrite(profile, "name", value_changed=value != before, stored_value=before)


def edge(destination: Workload, value: str = "114.00", before: str | None = None) -> ProfileWrite:
    """A connection of `web` that was written."""
    profile = ConnectionProfile(Connection(WEB, destination), value, "57.00", "57.00", BASIS)
    return ProfileWrite(profile, "name", value_changed=True, stored_value=before)


def expired(identity: Identity, value: str) -> StoredProfile:
    return StoredProfile("name", identity.kind, identity.subject, value)


def planned(*written: ProfileWrite, removed: tuple[StoredProfile, ...] = ()) -> list[tuple[str, str]]:
    """Reason and message of each Event; all namespaces are in scope."""
    events = plan_events(written, removed, UIDS, lambda _namespace: True)
    return [(event.reason.value, event.message) for event in events]


def test_namespaces_have_events_in_turn() -> None:
    """Two new workloads of bank, which comes first, and one of shop: only so many a minute are recorded."""
    cache = Workload("bank", "cache")
    written = [need("1.000", workload=workload) for workload in (cache, DB, WEB)]

    events = plan_events(written, [], UIDS | {cache: "u4"}, lambda _namespace: True)

    assert [event.workload for event in events] == [cache, WEB, DB]


def test_a_first_profile_is_an_event_on_its_workload() -> None:
    """The Event has apiVersion, kind, name and uid of the object, so that `kubectl describe` finds it."""
    assert plan_events([need("0.020", workload=DB)], [], UIDS, lambda _: True) == [
        WorkloadEvent(DB, "apps/v1", "u3", EventReason.CREATED, "CPU 0.020 cores")
    ]


def test_cpu_and_memory_share_an_event() -> None:
    """In the order of the kinds, independent of the order of the writes."""
    memory = need("30000000", "17106488", resource="memory")

    assert planned(memory, need("0.150", "0.020")) == [
        ("ProfileChanged", "CPU 0.020 → 0.150 cores, memory 17106488 → 30000000 bytes")
    ]


def test_each_reason_and_workload_has_its_event() -> None:
    """Changes come first: if there are too many Events, those of new profiles are dropped first."""
    events = planned(
        need("0.150", "0.020"), need("17106488", resource="memory"), need("0.300", "0.100", workload=VOTING)
    )

    assert events == [
        ("ProfileChanged", "CPU 0.100 → 0.300 cores"),
        ("ProfileChanged", "CPU 0.020 → 0.150 cores"),
        ("ProfileCreated", "memory 17106488 bytes"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "jumped"),
    [
        ("0.100", "0.150", False),
        ("0.100", "0.151", True),
        ("0.150", "0.100", False),
        ("0.150", "0.099", True),
        ("0.100", "0.110", False),
        ("0.000", "0.001", True),
        ("20m", "0.020", False),
        ("NaN", "0.020", False),
    ],
)
def test_a_change_by_more_than_half_of_the_smaller_value_is_an_event(
    before: str, after: str, *, jumped: bool
) -> None:
    """50 % up (0.100 * 1.5 = 0.150 is the limit) or a third down; an edited value may be no number."""
    assert bool(planned(need(after, before))) is jumped


def test_a_refreshed_status_is_no_event() -> None:
    """The daily refresh of a status, and a changed role, change no value."""
    assert planned(need("0.020", "0.020")) == []


def test_connections_share_the_event_of_their_source() -> None:
    """They are in the Event of the source's CPU and memory with the same reason."""
    assert planned(edge(VOTING), edge(DB, "8.00"), need("0.020")) == [
        (
            "ProfileCreated",
            f"CPU 0.020 cores, 8.00 {PER_MINUTE} to StatefulSet/bank/db, 114.00 {PER_MINUTE} to shop/voting",
        )
    ]


def test_more_traffic_is_no_event() -> None:
    """The traffic of a connection changes every day."""
    assert planned(edge(VOTING, "800.00", before="100.00")) == []


def test_further_connections_are_counted() -> None:
    """Eight of twelve are named; an API server truncates a message of more than 1024 characters."""
    [(_, message)] = planned(*(edge(Workload("shop", f"{number:02}".rjust(63, "x"))) for number in range(12)))

    assert message.count("a minute to") == 8
    assert message.endswith(f"{'07'.rjust(63, 'x')}, and 4 more")
    assert len(message) <= 1024


def test_an_expiry_has_the_last_values() -> None:
    """CPU, memory and a connection of `web` that were removed in one cycle."""
    removed = (
        expired(Identity(ProfileKind.MEMORY, WEB), "17106488"),
        expired(Identity(ProfileKind.CONNECTION, Connection(WEB, VOTING)), "114.00"),
        expired(Identity(ProfileKind.CPU, WEB), "0.020"),
    )

    assert planned(removed=removed) == [
        (
            "ProfileExpired",
            f"{REMOVED}: CPU 0.020 cores, memory 17106488 bytes, 114.00 {PER_MINUTE} to shop/voting",
        )
    ]


@pytest.mark.parametrize(
    ("kind", "api_version"),
    [
        ("Deployment", "apps/v1"),
        ("ReplicationController", "v1"),
        ("CronJob", "batch/v1"),
        ("Rollout", "argoproj.io/v1alpha1"),
        ("DeploymentConfig", "apps.openshift.io/v1"),
    ],
)
def test_an_event_without_a_uid(kind: str, api_version: str) -> None:
    """The object is not watched, or was deleted: `kubectl get events` shows the Event without the uid."""
    [event] = plan_events([need("0.020", workload=Workload("shop", "x", kind))], [], UIDS, lambda _: True)

    assert (event.api_version, event.uid) == (api_version, "")


@pytest.mark.parametrize("kind", ["TaskRun", "Pod", "Job"])
def test_workloads_without_an_object_have_no_event(kind: str) -> None:
    """The apiVersion of a TaskRun is unknown, and the runs of a Job `build` have other names."""
    written = need("0.020", workload=Workload("shop", "build", kind))

    assert plan_events([written], [], UIDS, lambda _: True) == []


def test_an_existing_job_has_events() -> None:
    """A Job with a name given by a user."""
    migrate = Workload("shop", "migrate", "Job")

    [event] = plan_events([need("0.020", workload=migrate)], [], {migrate: "u9"}, lambda _: True)

    assert (event.api_version, event.uid) == ("batch/v1", "u9")


def test_a_source_out_of_scope_has_no_event() -> None:
    """Only the namespace of the destination is profiled."""
    assert plan_events([edge(DB)], [], UIDS, lambda namespace: namespace == "bank") == []


def test_the_bucket_gives_each_token_once_a_minute() -> None:
    """Of three tokens taken at 0, 30 and 30 s the first is back at 60 s, the others at 90 s."""
    bucket = SlidingWindowLimit(3, seconds=60)

    taken = [bucket.take(now) for now in (0, 30, 30, 59.9, 60, 89.9, 90, 90, 90)]

    assert taken == [True, True, True, False, True, False, True, True, False]


def test_a_clock_that_was_set_back_blocks_no_event() -> None:
    """Two tokens were taken at 10,000 s; at 100 s there are two again, and no third."""
    bucket = SlidingWindowLimit(2, seconds=60)
    assert [bucket.take(10_000), bucket.take(10_000)] == [True, True]

    assert [bucket.take(100), bucket.take(100), bucket.take(100)] == [True, True, False]

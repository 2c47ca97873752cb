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


def told(*written: ProfileWrite, removed: tuple[StoredProfile, ...] = ()) -> list[tuple[str, str]]:
    """Reason and message of each Event; all namespaces are in scope."""
    events = plan_events(written, removed, UIDS, lambda _namespace: True)
    return [(each.reason.value, each.message) for each in events]


def test_a_first_profile_is_news_for_its_workload() -> None:
    """The Event names the object so that `kubectl describe` finds it: by apiVersion, kind, name and uid."""
    assert plan_events([need("0.020", workload=DB)], [], UIDS, lambda _: True) == [
        WorkloadEvent(DB, "apps/v1", "u3", EventReason.CREATED, "CPU 0.020 cores")
    ]


def test_cpu_and_memory_are_told_together() -> None:
    """In the order of the kinds, whatever the order of the writes."""
    memory = need("30000000", "17106488", resource="memory")

    assert told(memory, need("0.150", "0.020")) == [
        ("ProfileChanged", "CPU 0.020 → 0.150 cores, memory 17106488 → 30000000 bytes")
    ]


def test_what_is_of_another_reason_or_workload_is_another_event() -> None:
    """Changes come first: if there are too many Events, new profiles are dropped first."""
    events = told(
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
def test_a_value_jumps_by_more_than_half_of_the_smaller_one(before: str, after: str, *, jumped: bool) -> None:
    """50 % up (0.100 * 1.5 = 0.150 is the limit) or a third down; an edited value may be no number."""
    assert bool(told(need(after, before))) is jumped


def test_a_status_that_is_refreshed_is_no_news() -> None:
    """Once a day what a value rests on is written anew; so is a role, which changes no value."""
    assert told(need("0.020", "0.020")) == []


def test_connections_are_told_to_their_source() -> None:
    """In the same Event as CPU and memory with the same reason."""
    assert told(edge(VOTING), edge(DB, "8.00"), need("0.020")) == [
        (
            "ProfileCreated",
            f"CPU 0.020 cores, 8.00 {PER_MINUTE} to StatefulSet/bank/db, 114.00 {PER_MINUTE} to shop/voting",
        )
    ]


def test_traffic_that_goes_up_is_no_news() -> None:
    """It does so every morning."""
    assert told(edge(VOTING, "800.00", before="100.00")) == []


def test_many_connections_are_counted() -> None:
    """Eight of twelve are named; a message of more than 1024 characters would be cut anywhere."""
    [(_, message)] = told(*(edge(Workload("shop", f"{number:02}".rjust(63, "x"))) for number in range(12)))

    assert message.count("a minute to") == 8
    assert message.endswith(f"{'07'.rjust(63, 'x')}, and 4 more")
    assert len(message) <= 1024


def test_what_expires_is_told_with_its_last_values() -> None:
    """CPU, memory and a connection of `web` that were removed in one cycle."""
    removed = (
        expired(Identity(ProfileKind.MEMORY, WEB), "17106488"),
        expired(Identity(ProfileKind.CONNECTION, Connection(WEB, VOTING)), "114.00"),
        expired(Identity(ProfileKind.CPU, WEB), "0.020"),
    )

    assert told(removed=removed) == [
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
def test_an_object_of_which_no_uid_is_known_is_told_without(kind: str, api_version: str) -> None:
    """The object is not watched, or was deleted: `kubectl get events` shows the Event anyway."""
    [event] = plan_events([need("0.020", workload=Workload("shop", "x", kind))], [], UIDS, lambda _: True)

    assert (event.api_version, event.uid) == (api_version, "")


@pytest.mark.parametrize("kind", ["TaskRun", "Pod", "Job"])
def test_where_no_object_is_known_nobody_is_told(kind: str) -> None:
    """The apiVersion of a TaskRun is unknown, and the runs of a Job `build` have other names."""
    written = need("0.020", workload=Workload("shop", "build", kind))

    assert plan_events([written], [], UIDS, lambda _: True) == []


def test_a_job_that_is_there_is_told() -> None:
    """A Job with a name given by a user."""
    migrate = Workload("shop", "migrate", "Job")

    [event] = plan_events([need("0.020", workload=migrate)], [], {migrate: "u9"}, lambda _: True)

    assert (event.api_version, event.uid) == ("batch/v1", "u9")


def test_a_source_out_of_scope_is_not_told() -> None:
    """Its namespace is not profiled (only the destination's is), so nothing is written there."""
    assert plan_events([edge(DB)], [], UIDS, lambda namespace: namespace == "bank") == []


def test_the_bucket_gives_each_token_once_a_minute() -> None:
    """Of three tokens taken at 0, 30 and 30 s the first is back at 60 s, the others at 90 s."""
    bucket = SlidingWindowLimit(3, seconds=60)

    taken = [bucket.take(now) for now in (0, 30, 30, 59.9, 60, 89.9, 90, 90, 90)]

    assert taken == [True, True, True, False, True, False, True, True, False]


def test_a_clock_that_was_set_back_blocks_nobody() -> None:
    """Two tokens were taken at 10,000 s; at 100 s there are two again, and no third."""
    bucket = SlidingWindowLimit(2, seconds=60)
    assert [bucket.take(10_000), bucket.take(10_000)] == [True, True]

    assert [bucket.take(100), bucket.take(100), bucket.take(100)] == [True, True, False]

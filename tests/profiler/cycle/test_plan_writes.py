"""Plans of writes: the limits of the deadband, the refresh of a status, names, and determinism."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    Identity,
    Profile,
    ProfileKind,
    Resource,
    ResourceProfile,
)
from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload
from app.profiler.cycle.plan_writes import plan_writes
from tests.profiler.stored_profiles import NOON, catalogue, manifest

BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5)
WEB = Workload("emojivoto", "web")


def profile(resource: Resource, value: str, workload: Workload = WEB) -> ResourceProfile:
    return ResourceProfile(workload, resource, value, BASIS)


def connection(value: str) -> ConnectionProfile:
    return ConnectionProfile(Connection(WEB, Workload("emojivoto", "voting")), value, "1.00", "1.00", BASIS)


def planned(derived: Profile, *stored: dict[str, Any]) -> list[tuple[str, bool]]:
    """The names in the plan, and whether the value changes."""
    writes = plan_writes([derived], catalogue(*stored), NOON)
    return [(write.name, write.value_changed) for write in writes]


@pytest.mark.parametrize("resource", Resource)
def test_each_other_value_is_written(resource: Resource) -> None:
    """Values are stabilized when they are derived: here, any other text is a change."""
    stored = manifest(profile(resource, "1.000"))

    assert planned(profile(resource, "1.000"), stored) == []
    assert planned(profile(resource, "1.001"), stored) == [(stored["metadata"]["name"], True)]


@pytest.mark.parametrize(
    ("derived", "written"), [("42.00", False), ("42.01", True), ("38.00", False), ("37.99", True)]
)
def test_the_deadband_is_5_percent_of_the_stored_rate(derived: str, *, written: bool) -> None:
    """5 % of 40.00 per minute is 2.00: a hundredth more is a change."""
    assert bool(planned(connection(derived), manifest(connection("40.00")))) == written


def test_small_steps_in_one_direction_add_up() -> None:
    """The deadband is around the stored value, not the last derived one: 42.40 is 6 % above 40.00."""
    stored = manifest(connection("40.00"))

    moved = [bool(planned(connection(value), stored)) for value in ("40.80", "41.60", "42.40")]

    assert moved == [False, False, True]


@pytest.mark.parametrize("stored", ["20m", "", "NaN", "Infinity", "-Infinity", "0x14", "0.000", "-0.020"])
def test_a_stored_value_that_is_no_amount_is_rewritten(stored: str) -> None:
    """The next cycle replaces a value that a user or another program wrote."""
    name = contract_name(Identity(ProfileKind.CPU, WEB))

    edited = manifest(profile(Resource.CPU, "0.020"))
    edited["spec"]["cpuProfiling"]["value"] = stored

    writes = planned(profile(Resource.CPU, "0.020"), edited)

    assert writes == [(name, True)]


@pytest.mark.parametrize(
    ("age", "written"),
    [
        pytest.param(timedelta(hours=23, minutes=59, seconds=59), False, id="a-second-less-than-a-day"),
        pytest.param(timedelta(days=1), True, id="a-day"),
        pytest.param(timedelta(days=30), True, id="long-ago"),
    ],
)
def test_a_status_is_refreshed_after_a_day_and_leaves_the_value(age: timedelta, *, written: bool) -> None:
    """The value did not change: only the status is written, so `updateTime` stays."""
    writes = planned(profile(Resource.CPU, "0.020"), manifest(profile(Resource.CPU, "0.020"), age=age))

    assert [value_changed for _, value_changed in writes] == [False] * written


def test_a_profile_without_a_status_gets_one() -> None:
    """The value was written, but not the status, because of an outage in between."""
    half = manifest(profile(Resource.CPU, "0.020"))
    del half["status"]

    assert planned(profile(Resource.CPU, "0.020"), half) == [(half["metadata"]["name"], False)]


def test_a_new_profile_gets_the_name_of_the_contract() -> None:
    """Nothing is stored: value and status are written."""
    name = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"

    assert planned(profile(Resource.CPU, "0.020")) == [(name, True)]


def test_a_stored_object_keeps_its_name() -> None:
    """A profile that was stored under the separated name, because of a past collision, keeps it."""
    name = separated_name(Identity(ProfileKind.CPU, WEB))
    stored = manifest(profile(Resource.CPU, "0.100"), name=name)

    assert planned(profile(Resource.CPU, "0.020"), stored) == [(name, True)]


def test_a_copy_under_another_name_is_neither_used_nor_written() -> None:
    """The profile gets its own name beside the copy, whose value is not taken for the stored one."""
    copy = manifest(profile(Resource.CPU, "0.020"), name="cpuprofile-copied")

    assert planned(profile(Resource.CPU, "0.020"), copy) == [
        (contract_name(Identity(ProfileKind.CPU, WEB)), True)
    ]


def test_a_newcomer_never_overwrites_the_profile_of_another_workload() -> None:
    """Job "ab" in "c" hashes like job "a" in "bc", which is stored: the new one gets the separated name."""
    stored, newcomer = Workload("bc", "a"), Workload("c", "ab")
    owner = manifest(profile(Resource.CPU, "0.020", stored))
    assert owner["metadata"]["name"] == contract_name(Identity(ProfileKind.CPU, newcomer))

    writes = planned(profile(Resource.CPU, "0.020", newcomer), owner)

    assert writes == [(separated_name(Identity(ProfileKind.CPU, newcomer)), True)]


def test_an_object_without_an_identity_is_not_overwritten() -> None:
    """Another program created an object of the contract's name: the profile gets another name."""
    foreign = manifest(profile(Resource.CPU, "0.020"))
    foreign["metadata"]["annotations"] = {}

    writes = planned(profile(Resource.CPU, "0.020"), foreign)

    assert writes == [(separated_name(Identity(ProfileKind.CPU, WEB)), True)]


def test_a_profile_without_a_free_name_is_not_written() -> None:
    """Objects without an identity have both of its names."""
    foreign = [
        manifest(profile(Resource.CPU, "0.020"), name=name)
        for name in (
            contract_name(Identity(ProfileKind.CPU, WEB)),
            separated_name(Identity(ProfileKind.CPU, WEB)),
        )
    ]
    for document in foreign:
        document["metadata"]["annotations"] = {}

    assert planned(profile(Resource.CPU, "0.020"), *foreign) == []


def test_profiles_that_are_not_derived_stay() -> None:
    """A deleted workload, or a failing source, causes neither a write nor a deletion."""
    assert plan_writes([], catalogue(manifest(profile(Resource.CPU, "0.020"))), NOON) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_leader_plans_the_same_writes_in_the_same_order(seed: int) -> None:
    """Twenty Deployments, in pairs with one hash, derived in any order: one plan, sorted by identity."""
    twins = [Workload(f"c{n}", "ab") for n in range(10)] + [Workload(f"bc{n}", "a") for n in range(10)]
    derived = [profile(Resource.CPU, "0.020", workload) for workload in twins]
    expected = plan_writes(derived, catalogue(), NOON)
    random.Random(seed).shuffle(derived)

    assert plan_writes(derived, catalogue(), NOON) == expected
    assert [write.profile.identity for write in expected] == sorted(
        Identity(ProfileKind.CPU, twin) for twin in twins
    )
    assert len({write.name for write in expected}) == 20


def tcp(sent: str | None, received: str | None = "1000") -> ConnectionProfile:
    return replace(
        connection("0.00"),
        request_bytes_per_second=sent,
        response_bytes_per_second=received,
        protocol=Protocol.TCP,
    )


@pytest.mark.parametrize(
    ("sent", "received", "written"),
    [
        ("1050", "1000", False),
        ("1051", "1000", True),
        ("949", "1000", True),
        ("1000", "1051", True),
        (None, "1000", True),
    ],
)
def test_bytes_have_a_deadband_of_their_own(sent: str | None, received: str, *, written: bool) -> None:
    """5 % of 1,000 are 50, each way. The value `0.00` stays, so only the status is written."""
    writes = planned(tcp(sent, received), manifest(tcp("1000")))

    assert [value_changed for _, value_changed in writes] == [False] * written


def test_a_byte_more_or_less_is_rounding() -> None:
    """1 and 2 bytes a second differ by 100 %, and perhaps by one in a thousand before they were rounded."""
    assert planned(tcp("2"), manifest(tcp("1"))) == []
    assert planned(tcp("3"), manifest(tcp("1"))) != []


def test_a_changed_value_is_added_to_the_history() -> None:
    """Time, old and new value, and that usage rose; a new profile has no history, a refresh keeps it."""
    stored = manifest(profile(Resource.CPU, "0.020"))

    (write,) = plan_writes([profile(Resource.CPU, "0.030")], catalogue(stored), NOON)
    (first,) = plan_writes([profile(Resource.CPU, "0.030")], catalogue(), NOON)

    assert [(change.time, change.old, change.new, change.reason) for change in write.history] == [
        (NOON, "0.020", "0.030", "UsageRose")
    ]
    assert first.history == ()


def test_labels_are_added_with_the_next_status() -> None:
    """An object of an older release is written once more, with the time of its last change; then no more."""
    stored = manifest(profile(Resource.CPU, "0.020"), age=timedelta(days=1))
    unlabelled = {**stored, "metadata": {**stored["metadata"], "labels": {"team": "web"}}}

    times = [
        write.manifest_time(NOON)
        for document in (unlabelled, stored)
        for write in plan_writes([profile(Resource.CPU, "0.020")], catalogue(document), NOON)
    ]

    assert times == [NOON - timedelta(days=1), None]

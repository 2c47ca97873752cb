"""The history of a value: its length, its form, and the main reason for a change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.custom_resources import from_manifest, to_manifest, to_status
from app.domain.profiles import (
    Basis,
    ChosenRule,
    ContainerNeed,
    Pressure,
    PressureSignal,
    ProfileKind,
    Resource,
    ResourceProfile,
    RiskLevel,
    StatedRisk,
    StoredProfile,
)
from app.domain.value_history import (
    MAX_CHANGES,
    ChangeReason,
    ValueChange,
    from_items,
    history_with,
    pack,
    reason_for_change,
    to_items,
    unpack,
)
from app.domain.workloads import Workload

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5)
RULE = ChosenRule(14, 0.97, 0.0)
PROFILE = ResourceProfile(
    Workload("emojivoto", "web"),
    Resource.CPU,
    "0.020",
    BASIS,
    containers=(ContainerNeed("web-svc", "0.020", 12, rule=RULE),),
    risk=StatedRisk(RiskLevel.NORMAL, 0.01, 0.02),
)


def stored(profile: ResourceProfile = PROFILE, *history: ValueChange, value: str = "") -> StoredProfile:
    """*profile* as it is read back, perhaps with a *value* that another writer set."""
    manifest = to_manifest(profile, name="x", namespace="profiling", updated_at=NOON)
    manifest["status"] = to_status(profile, refreshed_at=NOON, history=history)
    if value:
        manifest["spec"]["cpuProfiling"]["value"] = value
    read = from_manifest(ProfileKind.CPU, manifest)
    assert read
    return read


def throttled(raised_by: float) -> tuple[PressureSignal, ...]:
    """Throttling that raises by this share."""
    return (PressureSignal("web-svc", Pressure.CPU_THROTTLING, NOON, raised_by),)


def at(value: str, **changes: Any) -> ResourceProfile:
    """The profile with another value."""
    return replace(PROFILE, value=value, **changes)


YOUNG = (ContainerNeed("web-svc", "0.020", 12, rule=replace(RULE, short_past=0.2)),)
PROXIED = (*PROFILE.containers, ContainerNeed("zz-proxy", "0.010", 12, rule=RULE))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (PROFILE, at("0.030"), ChangeReason.USAGE_ROSE),
        (PROFILE, at("0.010"), ChangeReason.USAGE_FELL),
        (PROFILE, at("0.030", signals=throttled(0.2)), ChangeReason.CPU_THROTTLING),
        (at("0.020", signals=throttled(0.2)), at("0.030", signals=throttled(0.1)), ChangeReason.USAGE_ROSE),
        (at("0.020", signals=throttled(0.2)), at("0.010"), ChangeReason.PRESSURE_EASED),
        (PROFILE, at("0.010", containers=YOUNG), ChangeReason.LONGER_HISTORY),
        (PROFILE, at("0.030", containers=PROXIED), ChangeReason.CONTAINERS_CHANGED),
        (PROFILE, at("0.030", risk=StatedRisk(RiskLevel.LOW, 0.0, 0.0)), ChangeReason.RISK_CHANGED),
    ],
    ids=str,
)
def test_the_main_reason(before: ResourceProfile, after: ResourceProfile, reason: ChangeReason) -> None:
    """The first that applies: setting, containers, pressure that rose or eased, a short past, usage."""
    assert reason_for_change(stored(before), after) is reason


@pytest.mark.parametrize("value", ["9.999", "NaN", "0x14", "0"])
def test_a_value_of_another_writer_is_corrected(value: str) -> None:
    """The last recorded value is .020; what stands there now is another writer's, or no amount at all."""
    recorded = ValueChange(int(NOON.timestamp()), "0.010", "0.020", "UsageRose")

    assert reason_for_change(stored(PROFILE, recorded, value=value), at("0.030")) is ChangeReason.CORRECTED


def test_the_last_ten_changes_are_kept() -> None:
    """After 12 changes from .001 to .013, the newest is first and the oldest kept one began at .003."""
    profile, now = at("0.001"), NOON
    current = stored(profile)
    for value in range(2, 14):
        profile, now = at(f"0.{value:03d}"), now + timedelta(hours=1)
        current = stored(profile, *history_with(current, profile, now))

    history = unpack(current.state.history if current.state else b"")
    assert (len(history), MAX_CHANGES) == (10, 10)
    assert [(change.old, change.new) for change in history][:: MAX_CHANGES - 1] == [
        ("0.012", "0.013"),
        ("0.003", "0.004"),
    ]
    assert history[0].time == NOON + timedelta(hours=12)


def test_a_refresh_keeps_the_history() -> None:
    """Server-side apply removes what an apply leaves out: each status is written with the history."""
    recorded = ValueChange(int(NOON.timestamp()), "0.010", "0.020", "UsageRose")

    assert history_with(stored(PROFILE, recorded), PROFILE, NOON + timedelta(days=1)) == (recorded,)


def test_items_are_read_back() -> None:
    """Time, values and reason, also one of a newer release; its words are the reason itself."""
    changes = (ValueChange(int(NOON.timestamp()), "0.010", "0.020", "Foreseen"),)

    assert from_items(to_items(changes)) == unpack(pack(changes)) == changes
    assert (changes[0].words, replace_reason("UsageRose").words) == ("Foreseen", "usage rose")


def replace_reason(reason: str) -> ValueChange:
    """A change for this reason."""
    return ValueChange(0, "0.010", "0.020", reason)


@pytest.mark.parametrize(
    "items",
    [None, "x", {}, [None], [3], [{"time": "now"}], [{"time": "2026-03-04T12:00:00Z", "old": 1, "new": 2}]],
)
def test_what_people_wrote_that_is_no_change_is_left_out(items: object) -> None:
    """An edited status never stops a write."""
    assert from_items(items) == ()


def test_each_reason_has_words() -> None:
    """So that every command can say it."""
    assert all(replace_reason(reason.value).words != reason.value for reason in ChangeReason)


def test_the_memory_of_a_full_history() -> None:
    """Ten changes of a memory value take less than 600 bytes: 12 MB for 20,000 profiles."""
    change = ValueChange(int(NOON.timestamp()), "17106488000", "17106489000", "MemoryStalled")

    assert len(pack([change] * MAX_CHANGES)) < 600

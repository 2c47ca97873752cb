"""When changed requests and replicas of a workload are written on their own."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.profiles import Basis, Resource, ResourceProfile
from app.domain.workload_state import ResourceAmounts, WorkloadState
from app.domain.workloads import Workload
from app.profiler.cycle.plan_writes import plan_writes
from tests.profiler.stored_profiles import NOON, catalogue, manifest

WEB = Workload("emojivoto", "web")
STATE = WorkloadState(ResourceAmounts("100m", "1"), ready_replicas=4, desired_replicas=4)
PROFILE = ResourceProfile(
    WEB,
    Resource.CPU,
    "0.020",
    Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5),
    workload_state=STATE,
)
HOUR = timedelta(hours=1)


def writes(current: WorkloadState | None, age: timedelta = HOUR, **status: Any) -> int:
    """The number of planned writes, if the profile with STATE was written *age* ago."""
    stored = manifest(PROFILE, age=age)
    stored["status"] |= status
    return len(plan_writes([replace(PROFILE, workload_state=current)], catalogue(stored), NOON))


def state(request: str = "100m", limit: str = "1", ready: int = 4, desired: int = 4) -> WorkloadState:
    """The state now."""
    return WorkloadState(ResourceAmounts(request, limit), ready, desired)


@pytest.mark.parametrize(
    ("current", "written"),
    [
        (state(), 0),
        (state(request="200m"), 1),
        (state(request=""), 1),
        (state(limit="2"), 1),
        (state(ready=0), 0),
        (state(desired=7), 0),
        (state(desired=8), 1),
        (state(desired=3), 0),
        (state(desired=2), 1),
        (state(desired=0), 1),
        (None, 0),
    ],
    ids=["same", "request", "no request", "limit", "not ready", "x1.75", "x2", "x.75", "x.5", "0", "unknown"],
)
def test_what_is_written_on_its_own(current: WorkloadState | None, written: int) -> None:
    """Of 4 replicas 8 are twice and 2 half as many; ready replicas never cause a write."""
    assert writes(current) == written


def test_the_first_state_is_written_at_once() -> None:
    """A profile of a workload that was away has no request and no replicas: the next cycle writes them."""
    away = replace(PROFILE, workload_state=None)
    stored = catalogue(manifest(away, age=timedelta(seconds=10)))

    assert len(plan_writes([PROFILE], stored, NOON)) == 1
    assert plan_writes([away], stored, NOON) == []


def test_at_most_one_write_an_hour() -> None:
    """An autoscaler that doubles and halves the replicas every minute causes 1 write an hour, not 60."""
    stored, count = catalogue(manifest(PROFILE)), 0
    for minute in range(1, 122):
        current = replace(PROFILE, workload_state=state(desired=8 if minute % 2 else 2))
        now = NOON + timedelta(minutes=minute)
        if plan_writes([current], stored, now):
            count += 1
            stored = catalogue(manifest(current, age=NOON - now))

    assert count == 2


def test_a_schema_that_drops_the_fields_causes_no_writes() -> None:
    """An object of an older release, or with an older CRD, has no `need`: its next write is the daily one."""
    stored = manifest(PROFILE, age=HOUR)
    for field in ("need", "request", "limit", "replicas"):
        del stored["status"][field]

    assert plan_writes([PROFILE], catalogue(stored), NOON) == []
    assert len(plan_writes([PROFILE], catalogue(stored), NOON + 23 * HOUR)) == 1

"""Where a value comes from, in words: every figure of the profile, and always the same words for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.explanation import LONGEST, explain
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    ContainerNeed,
    NeedReason,
    NeedSignal,
    Resource,
    ResourceProfile,
    Rule,
)
from app.domain.resources import to_status
from app.domain.workloads import Connection, Workload

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
WEB = Workload("shop", "web")
WEEK = Basis(NOON - timedelta(days=7.5), NOON, samples=8352, coverage=0.967, confidence=0.87)
CPU = ResourceProfile(
    WEB,
    Resource.CPU,
    "0.020",
    WEEK,
    containers=(
        ContainerNeed("linkerd-proxy", "0.003", 4176, "MeshProxy"),
        ContainerNeed("web", "0.017", 4176),
    ),
    rule=Rule(percentile=0.95, margin=0.15, half_life_days=7.0),
)
MEMORY = ResourceProfile(
    WEB,
    Resource.MEMORY,
    "13800000",
    replace(WEEK, window_start=NOON - timedelta(hours=1), samples=12, coverage=1.0),
    containers=(ContainerNeed("web", "13800000", 12),),
    rule=Rule(percentile=1.0, margin=0.15, half_life_days=7.0),
)


def test_cpu_is_a_percentile_of_so_many_samples() -> None:
    """A coverage of 0.967 is told as 0.96: only a whole one reads 1.00."""
    assert explain(CPU) == (
        "95th percentile of 8,352 five-minute samples of 2 containers over 7.5 days (coverage 0.96),"
        " each day counting half after 7 days, plus 15 %: linkerd-proxy 0.003 cores, web 0.017 cores."
    )


def test_memory_is_the_largest_of_so_many_samples() -> None:
    """The largest sample counts in full, whatever the day it is of; one container, one hour."""
    assert explain(MEMORY) == (
        "Maximum of 12 five-minute samples of 1 container over 1 hour (coverage 1.00), plus 15 %:"
        " web 13,800,000 bytes."
    )


def test_signs_of_need_are_named_after_the_figures() -> None:
    """Each with its container, the moment it was seen last, and by how much it raises it: 0.1249 is 12 %."""
    throttled = NeedSignal("web", NeedReason.CPU_THROTTLING, NOON, 0.1249)
    killed = NeedSignal("web", NeedReason.OOM_KILLED, NOON - timedelta(days=2), 0.05)

    assert explain(replace(CPU, signals=(throttled,))) == (
        explain(CPU) + " CPU throttling of web, last seen 2026-03-04T12:00:00Z, raises it by 12 %."
    )
    assert explain(replace(MEMORY, signals=(killed,))).endswith(
        "bytes. An OOM kill of web, last seen 2026-03-02T12:00:00Z, raises it by 5 %."
    )


def test_a_connection_is_a_mean_of_two_parts() -> None:
    """288 steps of 5 minutes are the whole day: 24 hours; 30 of them are 2.5."""
    rates = ("114.00", "60.00", "54.00")
    connection = ConnectionProfile(
        Connection(WEB, Workload("shop", "db")), *rates, replace(WEEK, samples=288)
    )

    assert explain(connection) == (
        "Mean over those of the last 24 hours in which shop/web was scraped (24 hours), silent minutes"
        " counting as 0: 60.00 requests + 54.00 responses per minute."
    )
    assert "(2.5 hours)" in explain(replace(connection, basis=replace(WEEK, samples=30)))


@pytest.mark.parametrize(
    ("percentile", "words"),
    [
        (0.5, "50th"),
        (0.91, "91st"),
        (0.92, "92nd"),
        (0.93, "93rd"),
        (0.11, "11th"),
        (0.995, "99.5th"),
        (0.57, "57th"),
    ],
)
def test_percentiles_are_spelled_as_people_do(percentile: float, words: str) -> None:
    """0.57 * 100 is a little less than 57 in binary, and is 57 here."""
    rule = Rule(percentile, margin=0.07, half_life_days=1.0)

    text = explain(replace(CPU, rule=rule))

    assert text.startswith(f"{words} percentile of ")
    assert "after 1 day, plus 7 %:" in text


def test_a_workload_of_very_many_containers_still_fits() -> None:
    """200 names of 63 characters would be 15,000: the end is left out, which is marked."""
    many = tuple(ContainerNeed(f"{number:063d}", "0.001", 12) for number in range(200))

    text = explain(replace(CPU, containers=many))

    assert (len(text), text[-1]) == (LONGEST, "…")


def test_a_profile_that_does_not_tell_its_rule_is_not_explained() -> None:
    """Nothing is better than words that are made up."""
    assert explain(replace(CPU, rule=None)) == ""
    assert "explanation" not in to_status(replace(CPU, rule=None), refreshed_at=NOON)


def test_the_status_leaves_out_what_there_is_not() -> None:
    """No signs of need: no `signals`; a container of the application itself: no `role`."""
    status = to_status(CPU, refreshed_at=NOON)

    assert "signals" not in status
    assert [each.get("role") for each in status["containers"]] == ["MeshProxy", None]
    assert status["explanation"] == explain(CPU)


def test_the_status_tells_signs_of_need() -> None:
    """The raise has two decimals."""
    sign = NeedSignal("web", NeedReason.OOM_KILLED, NOON, 0.2)

    assert to_status(replace(MEMORY, signals=(sign,)), refreshed_at=NOON)["signals"] == [
        {"container": "web", "reason": "OOMKilled", "lastSeen": "2026-03-04T12:00:00Z", "raisedBy": "0.20"}
    ]

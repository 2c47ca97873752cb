"""Aging of stored profiles, in days since their last sample."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.workloads import Workload
from app.profiler.cycle.plan_aging import AgingPlan, AgingPolicy, plan_aging

NOW = datetime(2026, 3, 31, tzinfo=UTC)
WEB: Identity = Identity(ProfileKind.CPU, Workload("shop", "web"))
POLICY = AgingPolicy(stale_after=timedelta(days=2), expire_after=timedelta(days=30))


def stored(days: float | None, *, stale: bool = False) -> StoredProfile:
    """A profile with a window that ended *days* ago."""
    end = None if days is None else NOW - timedelta(days=days)
    return StoredProfile("cpuprofile-1", WEB.kind, WEB.subject, "0.020", window_end=end, is_stale=stale)


def aging(
    profile: StoredProfile,
    newest_days: float | None = None,
    kinds: tuple[ProfileKind, ...] = (ProfileKind.CPU,),
) -> AgingPlan:
    newest = {} if newest_days is None else {WEB: NOW - timedelta(days=newest_days)}
    return plan_aging([profile], newest, lambda identity: identity.kind in kinds, POLICY, NOW)


@pytest.mark.parametrize(
    ("days", "stale", "turned"),
    [
        pytest.param(2.0, False, AgingPlan(), id="two-days-are-not-yet-stale"),
        pytest.param(2.1, False, AgingPlan(turned_stale=[stored(2.1)]), id="more-than-two-days-are"),
        pytest.param(2.1, True, AgingPlan(), id="it-is-marked-once"),
        pytest.param(0.5, True, AgingPlan(turned_fresh=[stored(0.5, stale=True)]), id="new-samples-clear-it"),
        pytest.param(30.0, True, AgingPlan(), id="thirty-days-are-kept"),
        pytest.param(30.1, True, AgingPlan(expired=[stored(30.1, stale=True)]), id="more-than-thirty-expire"),
        pytest.param(None, False, AgingPlan(), id="a-profile-without-a-window-has-no-age"),
    ],
)
def test_age_decides(days: float | None, stale: bool, turned: AgingPlan) -> None:  # noqa: FBT001 - a parameter of the test
    """Stale after more than 2 days without a sample, removed after more than 30."""
    assert aging(stored(days, stale=stale)) == turned


def test_the_derived_window_counts_before_the_stored_one() -> None:
    """The stored window ended 3 days ago, the derived one an hour ago."""
    assert aging(stored(3), newest_days=1 / 24) == AgingPlan()


def test_nothing_expires_while_its_source_fails() -> None:
    """A month without Prometheus does not prove that the workload is deleted."""
    assert aging(stored(31, stale=True), kinds=(ProfileKind.MEMORY,)) == AgingPlan()


def test_at_most_100_expire_at_once() -> None:
    """Of 250 expired profiles a cycle removes 100."""
    old = [stored(31, stale=True)] * 250

    assert len(plan_aging(old, {}, lambda _identity: True, POLICY, NOW).expired) == 100

"""Which profiles are stored beyond MAX_PROFILES: shares of namespaces, CPU and memory first, evictions."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Basis, ConnectionProfile, Profile, Resource, ResourceProfile
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.profiler.cycle.plan_limit import plan_limit
from tests.profiler.stored_profiles import NOON, catalogue, manifest

BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5)
NOTHING = ProfileCatalogue()


def needs(namespace: str, count: int, kind: str = "Deployment") -> list[Profile]:
    """CPU profiles of so many workloads of one namespace."""
    return [
        ResourceProfile(Workload(namespace, f"w{number:03d}", kind), Resource.CPU, "0.020", BASIS)
        for number in range(count)
    ]


def edges(namespace: str, count: int, to: str = "", reporters: Reporters = Reporters.SOURCE) -> list[Profile]:
    """Connections from one workload of *namespace* to so many of *to*, or of its own namespace."""
    return [
        ConnectionProfile(
            Connection(Workload(namespace, "client"), Workload(to or namespace, f"s{number:03d}")),
            *("1.00", "0.50", "0.50"),
            BASIS,
            reporters=reporters,
        )
        for number in range(count)
    ]


def stored(profiles: Iterable[Profile]) -> ProfileCatalogue:
    return catalogue(*(manifest(profile) for profile in profiles))


def counts(profiles: Iterable[Profile]) -> dict[tuple[str, bool], int]:
    """How many there are by namespace; True for connections."""
    return dict(Counter((profile.tenant, isinstance(profile, ConnectionProfile)) for profile in profiles))


def test_forged_connections_take_no_place_of_cpu_and_memory() -> None:
    """6,000 connections of `evil` and 40 needs of `shop`, room for 100: all 40 are stored, and 60."""
    plan = plan_limit([*edges("evil", 6000), *needs("shop", 40)], NOTHING, 100)

    assert counts(plan.allowed) == {("shop", False): 40, ("evil", True): 60}
    assert (plan.left_out, plan.evicted) == (5940, [])


def test_stored_connections_of_a_flood_make_room() -> None:
    """100 connections of `evil` are stored, room for 100. `shop` comes with 40: as many are removed."""
    plan = plan_limit(needs("shop", 40), stored(edges("evil", 100)), 100)

    assert counts(plan.allowed) == {("shop", False): 40}
    assert [str(profile.subject) for profile in plan.evicted] == [
        f"evil/client → evil/s{number:03d}" for number in range(99, 59, -1)
    ]


def test_a_flood_removes_nothing_of_others() -> None:
    """40 stored needs and 10 stored connections of `shop`, room for 100: 6,000 of `evil` get 50 places."""
    present = [*needs("shop", 40), *edges("shop", 10)]

    plan = plan_limit([*present, *edges("evil", 6000)], stored(present), 100)

    assert plan.evicted == []
    assert counts(plan.allowed) == {("shop", False): 40, ("shop", True): 10, ("evil", True): 50}


def test_needs_of_a_large_namespace_go_before_connections_of_another() -> None:
    """Room for 10: 8 needs and 20 connections exceed both shares of 5; needs come first."""
    plan = plan_limit([*needs("shop", 8), *edges("evil", 20)], NOTHING, 10)

    assert counts(plan.allowed) == {("shop", False): 8, ("evil", True): 2}


def test_a_namespace_within_its_share_keeps_its_connections() -> None:
    """Room for 100: 40 connections are within the share of 50, although 90 needs of `ci` wait."""
    plan = plan_limit([*needs("ci", 90, "Job"), *edges("shop", 40)], NOTHING, 100)

    assert counts(plan.allowed) == {("ci", False): 60, ("shop", True): 40}


def test_a_connection_counts_for_the_namespace_that_declares_it() -> None:
    """Servers of `evil` claim clients in `shop`: the share of `evil` is used up, not the one of `shop`."""
    claimed = edges("shop", 100, to="evil", reporters=Reporters.DESTINATION)

    plan = plan_limit([*claimed, *edges("shop", 20)], NOTHING, 50)

    assert counts(plan.allowed) == {("shop", True): 20, ("evil", True): 30}


def test_while_there_is_room_no_namespace_waits() -> None:
    """100 of one namespace, room for 101."""
    plan = plan_limit([*edges("evil", 100), *needs("shop", 1)], NOTHING, 101)

    assert (len(plan.allowed), plan.left_out, plan.evicted) == (101, 0, [])


def test_long_running_workloads_go_before_runs() -> None:
    """Two Jobs and a Deployment are new, and two allowed: the Deployment and the first Job fit."""
    jobs, [web] = needs("ci", 2, "Job"), needs("ci", 1)

    plan = plan_limit([*jobs, web], NOTHING, 2)

    assert (plan.allowed, plan.left_out) == ([web, jobs[0]], 1)


def test_ignored_objects_take_no_place() -> None:
    """One profile in use, room for two: 100 copies of it and 100 objects without a workload are ignored."""
    old, new = needs("shop", 2)
    copies = [manifest(old, name=f"cpuprofile-copy-{number}") for number in range(100)]
    strangers = [{"kind": "CPUProfile", "metadata": {"name": f"stranger-{number}"}} for number in range(100)]
    present = catalogue(manifest(old), *copies, *strangers)

    plan = plan_limit([old, new], present, 2)

    assert (plan.allowed, plan.left_out, plan.evicted) == ([old, new], 0, [])
    assert (len(present.names), present.ignored_count) == (201, 200)


def test_a_lower_limit_removes_nothing_by_itself() -> None:
    """The limit is below the number of stored profiles of one namespace, which has a new one."""
    old, new = needs("shop", 2)

    plan = plan_limit([old, new], stored([old]), 1)

    assert (plan.allowed, plan.left_out, plan.evicted) == ([old], 1, [])


DEMAND = st.tuples(st.integers(0, 12), st.integers(0, 12))


@given(
    old=st.dictionaries(st.sampled_from("abcd"), DEMAND),
    new=st.dictionaries(st.sampled_from("abcd"), DEMAND),
    limit=st.integers(0, 40),
)
@pytest.mark.filterwarnings("default")
def test_no_namespace_within_its_share_loses_a_profile(
    old: dict[str, tuple[int, int]], new: dict[str, tuple[int, int]], limit: int
) -> None:
    """Whatever is stored and derived: the limit holds, and a second plan changes nothing any more."""
    present = [one for name, (n, e) in old.items() for one in (*needs(name, n), *edges(name, e))]
    derived = [one for name, (n, e) in new.items() for one in (*needs(name, n), *edges(name, e))]
    present = present[:limit]

    plan = plan_limit(derived, stored(present), limit)

    evicted = {profile.identity for profile in plan.evicted}
    after = {one.identity: one for one in (*present, *plan.allowed) if one.identity not in evicted}
    wanted = {one.identity: one for one in (*present, *derived)}
    assert len(after) <= limit
    demands = Counter(one.tenant for one in wanted.values())
    for namespace, demand in demands.items():
        if demand <= limit // len(demands):
            assert sum(one.tenant == namespace for one in after.values()) == demand
    again = plan_limit(wanted.values(), stored(after.values()), limit)
    assert (again.evicted, len(again.allowed)) == ([], len(after))

"""Profiles that a real API server refuses: they delay no other write, and are tried less often."""

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Basis, ConnectionProfile, Profile, ProfileKind, Resource, ResourceProfile
from app.domain.workloads import Connection, Workload
from app.kubernetes.client import ClusterClient
from app.profiler.cycle.plan_aging import AgingPolicy
from app.profiler.cycle.publisher import Publisher
from app.profiler.profile_write import ProfileWrite
from app.profiler.rate_limiter import RateLimiter
from app.runtime.adapters import ClusterProfiles
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import ensure_crds

pytestmark = [pytest.mark.cluster, pytest.mark.flood]

REFUSED, WRITES_PER_SECOND = 3000, 500.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASIS = Basis(NOON, NOON, samples=12, coverage=1, confidence=0.5)


class ObservedProfiles(ClusterProfiles):
    """Profiles on the API server; `tried` has the namespace of each attempt of a cycle, in order."""

    tried: list[str]
    began = last_of_shop = 0.0

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Note the attempt, write, and note the time of the last accepted write."""
        self.tried.append(write.profile.tenant)
        await super().write(write, now)
        self.last_of_shop = perf_counter() - self.began

    def restart(self) -> None:
        """Begin to observe the next cycle."""
        self.began, self.tried = perf_counter(), []


def impossible(number: int) -> Profile:
    """A connection whose source has an impossible name: the schema of its kind refuses it."""
    edge = Connection(Workload("evil", f"Miner_{number}"), Workload("shop", "web"))
    return ConnectionProfile(edge, "1.00", "1.00", "0.00", BASIS)


def honest(value: str) -> list[Profile]:
    """20 CPU profiles and 20 connections of `shop`."""
    names = [f"w{number:02d}" for number in range(20)]
    edges = [Connection(Workload("shop", name), Workload("shop", "web")) for name in names]
    return [
        *(ResourceProfile(Workload("shop", name), Resource.CPU, value, BASIS) for name in names),
        *(ConnectionProfile(edge, f"{float(value):.2f}", "1.00", "0.00", BASIS) for edge in edges),
    ]


async def test_refused_writes_come_last(cluster: ClusterClient, kubectl: Kubectl, namespace: str) -> None:
    """3,000 writes are refused beside 40 of `shop`, in five cycles 150 s apart.

    In the first cycle the 20 CPU profiles come first, and then every second attempt is of shop; later all 40
    do, before any that was refused. Those are tried in the first two cycles and in the fourth, not in each.
    """
    ensure_crds(kubectl)
    catalogue = ProfileCatalogue()
    for kind in ProfileKind:
        catalogue.replace(kind, [])
    store = ObservedProfiles(cluster, namespace, catalogue)
    publisher = Publisher(store, AgingPolicy(), 50_000, RateLimiter(WRITES_PER_SECOND))
    flood = [impossible(number) for number in range(REFUSED)]
    failures = []
    for number in range(5):
        store.restart()
        value = f"{2.0**number:.3f}"
        published = await publisher.publish([*flood, *honest(value)], NOON + timedelta(seconds=150 * number))
        took = perf_counter() - store.began
        print(f"cycle {number}: {published.failed} refused, last of shop after", end=" ")
        print(f"{store.last_of_shop:.2f} s of {took:.2f} s")
        failures.append(published.failed)
        assert len(published.written) == 40
        assert store.tried.index("evil") >= 20 if published.failed == REFUSED else "evil" not in store.tried
        assert store.tried[: 40 if number else 60].count("shop") == 40
    assert failures == [REFUSED, REFUSED, 0, REFUSED, 0]

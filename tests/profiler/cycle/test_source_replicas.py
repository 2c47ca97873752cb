"""The rates of a connection per ready replica of its source."""

from datetime import UTC, datetime

from app.domain.profiles import Basis, ConnectionProfile, ReplicaRates, Resource, ResourceProfile
from app.domain.workloads import Connection, Workload
from app.profiler.cycle.source_replicas import with_replica_rates

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
BASIS = Basis(NOON, NOON, samples=12, coverage=1.0, confidence=0.5)
WEB, DB = Workload("shop", "web"), Workload("shop", "db", "StatefulSet")
EDGE = ConnectionProfile(Connection(WEB, DB), "120.00", "60.00", "60.00", BASIS, "1000", None)


def test_the_mean_is_divided_by_the_sources_replicas() -> None:
    """120 messages a minute and 1,000 bytes a second of 3 replicas; the destination's 5 do not count."""
    (profile,) = with_replica_rates([EDGE], {WEB: 3, DB: 5})

    assert isinstance(profile, ConnectionProfile)
    assert profile.per_replica == ReplicaRates(3, "40.00", "333", None)


def test_without_a_ready_replica_there_is_no_rate_of_one() -> None:
    """A workload that is scaled to zero, or that is no listed object; CPU profiles stay as they are."""
    cpu = ResourceProfile(WEB, Resource.CPU, "0.100", BASIS)

    assert with_replica_rates([EDGE, cpu], {DB: 5}) == [EDGE, cpu]

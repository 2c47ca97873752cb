"""The rates of a connection per ready replica of its source; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.profiles import ConnectionProfile, Profile, ReplicaRates
from app.domain.quantities import format_per_minute, format_per_second
from app.domain.workloads import Workload


def with_replica_rates(profiles: Iterable[Profile], ready_replicas: Mapping[Workload, int]) -> list[Profile]:
    """The profiles; connections of a source with ready replicas have their rates per replica."""
    return [
        replace(profile, per_replica=_per_replica(profile, replicas))
        if isinstance(profile, ConnectionProfile)
        and (replicas := ready_replicas.get(profile.connection.source))
        else profile
        for profile in profiles
    ]


def _per_replica(profile: ConnectionProfile, replicas: int) -> ReplicaRates:
    request_bytes, response_bytes = (
        None if rate is None else format_per_second(float(rate) / replicas)
        for rate in (profile.request_bytes_per_second, profile.response_bytes_per_second)
    )
    return ReplicaRates(
        replicas, format_per_minute(float(profile.value) / replicas), request_bytes, response_bytes
    )

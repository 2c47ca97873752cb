"""Manifests of the profiles of many workloads, as the API server lists them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from app.domain.custom_resources import KINDS, to_manifest, to_status
from app.domain.profile_names import allocate_names
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    ContainerNeed,
    Profile,
    Resource,
    ResourceProfile,
    SlotNeed,
)
from app.domain.workloads import Connection, Workload

NAMESPACE = "profiling"
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_BASIS = Basis(datetime(2026, 2, 22, 12, tzinfo=UTC), _NOW, 4032, 1.0, 0.87)
_CONNECTIONS_EACH = 3
_WORKLOADS_OF_A_NAMESPACE = 50


def workload(number: int) -> Workload:
    """The workload with that number; number 0 is `emojivoto/web`, the workload of the recorded review."""
    if number == 0:
        return Workload("emojivoto", "web", "Deployment")
    return Workload(f"team-{number // _WORKLOADS_OF_A_NAMESPACE}", f"service-{number}", "Deployment")


def profiles(workloads: int) -> Iterator[Profile]:
    """Yields CPU, memory and three connection profiles of each workload."""
    for number in range(workloads):
        source = workload(number)
        yield _needs(source, Resource.CPU, "0.120")
        yield _needs(source, Resource.MEMORY, "170106488")
        for other in range(1, _CONNECTIONS_EACH + 1):
            edge = Connection(source, workload((number + other * 7) % workloads))
            yield ConnectionProfile(edge, "47.12", "23.56", "23.56", _BASIS)


def _needs(subject: Workload, resource: Resource, value: str) -> ResourceProfile:
    slots = tuple(SlotNeed(f"{hour:02d}:00", f"{hour + 6:02d}:00", value, 1008) for hour in range(0, 24, 6))
    return ResourceProfile(subject, resource, value, _BASIS, slots, (ContainerNeed("main", value, 4032),))


def manifests(workloads: int) -> dict[str, list[dict[str, Any]]]:
    """All objects with their status, by the plural of their kind."""
    all_profiles = list(profiles(workloads))
    names = allocate_names((profile.identity for profile in all_profiles), {}, set())
    listed: dict[str, list[dict[str, Any]]] = {kind.plural: [] for kind in KINDS.values()}
    for version, profile in enumerate(all_profiles, start=1):
        name = names[profile.identity]
        manifest = to_manifest(profile, name=name, namespace=NAMESPACE, updated_at=_NOW)
        manifest["metadata"] |= {"resourceVersion": str(version), "uid": f"uid-{version}"}
        manifest["status"] = to_status(profile, refreshed_at=_NOW)
        listed[KINDS[profile.identity.kind].plural].append(manifest)
    return listed

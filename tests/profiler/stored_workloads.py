"""Stored CPU and memory profiles with requests and replicas, as the profiler writes them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.domain.custom_resources import to_manifest, to_status
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Basis, ContainerNeed, Profile, Resource, ResourceProfile
from app.domain.quantities import amount_in, format_need, format_quantity
from app.domain.workload_state import ContainerRequests, ResourceAmounts, WorkloadState
from app.domain.workloads import Workload
from tests.webhook.profiles import NOW

BASIS = Basis(NOW, NOW, 12, 1.0, 0.5)


def stored(profile: Profile) -> dict[str, Any]:
    """The object of *profile* with its status."""
    name = contract_name(profile.identity) or separated_name(profile.identity)
    manifest = to_manifest(profile, name=name, namespace="profiling", updated_at=NOW)
    return manifest | {"status": to_status(profile, refreshed_at=NOW)}


def stored_workload(
    workload: Workload,
    resource: Resource,
    needs: Mapping[str, float],
    requests: Mapping[str, str],
    replicas: int | None = 1,
) -> dict[str, Any]:
    """A profile with the needs and the requests of its containers; its own are their sums."""
    request = sum((amount_in(text) or Decimal(0) for text in requests.values()), Decimal(0))
    containers = tuple(ContainerNeed(name, format_need(resource, need), 12) for name, need in needs.items())
    amounts = ResourceAmounts(
        format_quantity(resource, request) if requests else "",
        containers=tuple(ContainerRequests(name, text) for name, text in requests.items()),
    )
    value = format_need(resource, sum(needs.values()))
    state = WorkloadState(amounts, ready_replicas=replicas, desired_replicas=replicas)
    return stored(
        ResourceProfile(workload, resource, value, BASIS, containers=containers, workload_state=state)
    )

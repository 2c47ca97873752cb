"""One profile of each kind with a complete status, and the profile as a custom resource."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.domain.connection_providers import Counting, Provider
from app.domain.custom_resources import KINDS, MAX_CONTAINERS, to_manifest, to_status
from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profile_names import contract_name
from app.domain.profiles import (
    Basis,
    ChosenRule,
    ConnectionProfile,
    ContainerNeed,
    LeftOutContainer,
    Pressure,
    PressureSignal,
    Profile,
    ProfileKind,
    ReplicaRates,
    Resource,
    ResourceProfile,
    RiskLevel,
    RiskValues,
    RoleNeed,
    SlotNeed,
    StatedRisk,
    StepRates,
)
from app.domain.value_history import ValueChange
from app.domain.workload_policy import to_items
from app.domain.workload_state import ContainerRequests, ResourceAmounts, WorkloadState
from app.domain.workloads import Connection, Workload

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEB = Workload("emojivoto", "web")
VOTING = Workload("emojivoto", "voting")
BASIS = Basis(
    window_start=datetime(2026, 2, 22, tzinfo=UTC),
    window_end=NOON,
    samples=2160,
    coverage=1.0,
    confidence=0.97,
)
CHOSEN = ChosenRule(7, 0.986, 0.016, siblings=3)


def _state(request: str, limit: str) -> WorkloadState:
    """Two of three replicas are ready; the only container with amounts is that of the application."""
    return WorkloadState(
        ResourceAmounts(request, limit, (ContainerRequests("web-svc", request, limit),)), 2, 3
    )


HISTORY = {
    "cpu": (ValueChange(int(NOON.timestamp()), "0.024", "0.020", "UsageFell"),),
    "memory": (ValueChange(int(NOON.timestamp()), "16106488", "17106488", "OOMKilled"),),
}
POLICIES = {
    "cpu": (PolicyRule(PolicyKey.MAX_CPU, "500m", PolicySource.TEMPLATE, "web-svc"),),
    "memory": (PolicyRule(PolicyKey.RISK, "low", PolicySource.NAMESPACE),),
}
PROFILES: dict[str, Profile] = {
    "cpu": ResourceProfile(
        WEB,
        Resource.CPU,
        "0.020",
        BASIS,
        (SlotNeed("00:00", "12:00", "0.010", 1152), SlotNeed("12:00", "24:00", "0.020", 1008)),
        (
            ContainerNeed(
                "web-svc", "0.015", 1080, rule=CHOSEN, values=RiskValues("0.019", "0.015", "0.012")
            ),
            ContainerNeed("linkerd-proxy", "0.005", 1080, "MeshProxy"),
        ),
        (PressureSignal("web-svc", Pressure.CPU_THROTTLING, NOON, 0.12),),
        StatedRisk(RiskLevel.NORMAL, 0.012, 0.045),
        roles=(RoleNeed(("linkerd-proxy", "web-svc"), "0.020"), RoleNeed(("job",), "0.010")),
        left_out=(LeftOutContainer("debugger", 12),),
        workload_state=_state("100m", "1"),
    ),
    "memory": ResourceProfile(
        WEB,
        Resource.MEMORY,
        "17106488",
        BASIS,
        (SlotNeed("00:00", "24:00", "17106488", 2160),),
        (
            ContainerNeed(
                "web-svc",
                "17106000",
                1080,
                rule=CHOSEN,
                values=RiskValues("17106000", "16000000", "15000000"),
            ),
            ContainerNeed("log-shipper", "488", 1080, "Sidecar"),
        ),
        (PressureSignal("web-svc", Pressure.OOM_KILLED, NOON, 0.05),),
        StatedRisk(RiskLevel.LOW, 0.02),
        roles=(RoleNeed(("log-shipper", "web-svc"), "17106488"), RoleNeed(("job",), "1048576")),
        left_out=(LeftOutContainer("debugger", 12),),
        workload_state=_state("128Mi", "1Gi"),
    ),
    "connection": ConnectionProfile(
        Connection(WEB, VOTING),
        "47.12",
        "23.56",
        "23.56",
        BASIS,
        "5120",
        "0",
        messages=StepRates("94.24", "120.00"),
        request_bytes=StepRates("6000", "7000"),
        response_bytes=StepRates("0", "1"),
        per_replica=ReplicaRates(2, "23.56", "2560", "0"),
        counting=Counting(Provider.SERVICE_GRAPH, 50),
    ),
}


def manifest_of(resource: str, namespace: str) -> dict[str, Any]:
    """The object without its status, as the profiler applies it."""
    profile = PROFILES[resource]
    name = contract_name(profile.identity)
    assert name
    return to_manifest(profile, name=name, namespace=namespace, updated_at=NOON)


def status_of(resource: str) -> dict[str, Any]:
    """The status, as the profiler applies it with the policy."""
    policy = {"policy": to_items(POLICIES[resource])} if resource in POLICIES else {}
    return to_status(PROFILES[resource], refreshed_at=NOON, history=HISTORY.get(resource, ())) | policy


def crowded(resource: str) -> list[dict[str, Any]]:
    """The same status with more containers, and names in a role, than are listed; none of a connection."""
    profile = PROFILES[resource]
    if not isinstance(profile, ResourceProfile):
        return []
    names = tuple(f"container-{number}" for number in range(MAX_CONTAINERS + 1))
    containers = tuple(ContainerNeed(name, profile.value, 1) for name in names)
    crowd = replace(profile, containers=containers, roles=(RoleNeed(names, profile.value),))
    return [to_status(crowd, refreshed_at=NOON)]


def plural_of(resource: str) -> str:
    """The resource's name in the API."""
    return KINDS[ProfileKind(resource)].plural

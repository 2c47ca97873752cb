"""A planner over stored profiles, without a cluster."""

from decimal import Decimal
from typing import Any

from app.decisions.plan import Planner
from app.domain.profiles import ProfileKind, Resource, RiskLevel
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.runtime.planning import ListedObjects, open_planner
from tests.decisions.manifests import Object, need

MIB = 1024**2
POLICY = SchedulingPolicy(
    0.5,
    Decimal("0.15"),
    {
        Resource.CPU: RequestBounds(Decimal("0.020"), Decimal(16)),
        Resource.MEMORY: RequestBounds(Decimal(32 * MIB), Decimal(64 * 1024 * MIB)),
    },
)
CPU, MEMORY = need("cpu", "web", "0.026"), need("memory", "web", str(347 * MIB - 5))
WRITTEN = {"cpu": "500m", "memory": "256Mi"}


def planner(*profiles: Object, risk: RiskLevel | None = None, **objects: Any) -> Planner:
    """A planner with these profiles and constraints."""
    listed = {
        ProfileKind.CPU: [one for one in profiles if one["kind"] == "CPUProfile"],
        ProfileKind.MEMORY: [one for one in profiles if one["kind"] == "MemoryProfile"],
    }
    return open_planner(ListedObjects(listed, **objects), POLICY, risk=risk)

"""A planner over stored profiles, without a cluster."""

from typing import Any

from app.decisions.plan import Planner
from app.domain.profiles import ProfileKind, RiskLevel
from app.runtime.planning import ListedObjects, open_planner
from tests.decisions.manifests import Object, need
from tests.rightsizing.manifests import policy

MIB = 1024**2
CPU, MEMORY = need("cpu", "web", "0.026"), need("memory", "web", str(347 * MIB - 5))
WRITTEN = {"cpu": "500m", "memory": "256Mi"}


def planner(*profiles: Object, risk: RiskLevel | None = None, **objects: Any) -> Planner:
    """A planner with these profiles and constraints."""
    listed = {
        ProfileKind.CPU: [one for one in profiles if one["kind"] == "CPUProfile"],
        ProfileKind.MEMORY: [one for one in profiles if one["kind"] == "MemoryProfile"],
    }
    return open_planner(ListedObjects(listed, **objects), policy(), risk=risk)

"""The Deployments of the check: what their containers request, and what VPA is to do with them.

Their names and containers are those of the emojivoto history.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.e2e.workloads import deployment
from tests.histories.emojivoto.description import NAMESPACE

Resources = dict[str, dict[str, str]]
IN_PLACE, EVICTED, UNTOUCHED = "resized in place", "evicted", "untouched"


@dataclass(frozen=True)
class Workload:
    """A Deployment; *fate* is what VPA is to do with each of its Pods."""

    name: str
    replicas: int
    containers: dict[str, Resources]
    fate: str
    labels: dict[str, str] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """The Deployment."""
        manifest = deployment(self.name, NAMESPACE, self.replicas)
        template = manifest["spec"]["template"]
        template["metadata"]["labels"] |= self.labels
        template["spec"] |= {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {"name": name, "image": "registry.example/x:1", "resources": resources}
                for name, resources in self.containers.items()
            ],
        }
        return manifest


def _requests(cpu: str, memory: str) -> dict[str, str]:
    return {"cpu": cpu, "memory": memory}


LITTLE, MUCH = _requests("100m", "64Mi"), _requests("500m", "512Mi")
GUARANTEED = {"requests": MUCH, "limits": MUCH}
WORKLOADS = (
    # Below the lower bounds: the need is 404m and 330Mi. The proxy has no requests.
    Workload("web-api", 3, {"web-api": {"requests": LITTLE}, "linkerd-proxy": {}}, IN_PLACE),
    # Above the upper bounds, and Guaranteed: the limits follow.
    Workload(
        "web",
        2,
        {"web-svc": GUARANTEED, "linkerd-proxy": GUARANTEED},
        IN_PLACE,
        {"job-profiler.liqo.io/vpa-controlled-values": "RequestsAndLimits"},
    ),
    # BestEffort: the QoS class of a Pod can't change in place.
    Workload("voting", 2, {"voting-svc": {}}, EVICTED),
    # Guaranteed, and RequestsOnly makes it Burstable.
    Workload("emoji", 2, {"emoji-svc": GUARANTEED}, EVICTED),
    # The updater leaves single replicas alone.
    Workload("vote-bot", 1, {"vote-bot": {"requests": MUCH}}, UNTOUCHED),
)

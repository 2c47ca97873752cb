"""The Deployments of emojivoto whose past Prometheus has, with requests as people guess them."""

from typing import Any

from tests.e2e.workloads import deployment
from tests.histories.emojivoto.description import DEPLOYMENTS, NAMESPACE, PROXY

Object = dict[str, Any]

# Far above the need of each container, except web-api's CPU.
REQUESTS = {"cpu": "250m", "memory": "256Mi"}
REQUESTS_OF_PROXIES = {"cpu": "100m", "memory": "64Mi"}


def emojivoto() -> list[Object]:
    """All Deployments."""
    return [_deployment(name) for name in DEPLOYMENTS]


def _deployment(name: str) -> Object:
    described = DEPLOYMENTS[name]
    manifest = deployment(name, NAMESPACE, replicas=len(described.pods))
    manifest["spec"]["template"]["metadata"].pop("annotations")
    manifest["spec"]["template"]["spec"]["containers"] = [_container(name) for name in described.containers]
    return manifest


def _container(name: str) -> Object:
    requests = REQUESTS_OF_PROXIES if name == PROXY else REQUESTS
    return {"name": name, "image": f"registry.example/{name}:1", "resources": {"requests": dict(requests)}}

"""Generated namespaces with LimitRanges and ResourceQuotas, and Pods with profiles for them.

The API server accepts each LimitRange and ResourceQuota; it may refuse any of the Pods.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from app.domain.profiles import Resource

LABEL = "job-profiler.liqo.io/scheduling"
MILLICORES = (10, 50, 100, 250, 500, 1000, 2000, 4000)
MEBIBYTES = (8, 32, 64, 128, 256, 512, 1024, 4096)
RATIOS = (1, 1.5, 2, 4, 10)
PODS_PER_NAMESPACE = 4


@dataclass(frozen=True, slots=True)
class DemandedPod:
    """A Pod of Deployment `job`, and the need of each container by resource."""

    namespace: str
    job: str
    manifest: dict[str, Any]
    needs: dict[Resource, dict[str, float]]


@dataclass(frozen=True, slots=True)
class DemandingNamespace:
    """A namespace, its LimitRanges and ResourceQuotas, and the Pods to create in it."""

    name: str
    objects: list[dict[str, Any]]
    pods: list[DemandedPod]


class DemandGenerator:
    """Generates namespaces; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)

    def namespaces(self, count: int) -> Iterator[DemandingNamespace]:
        """*count* generated namespaces."""
        for number in range(count):
            name = f"demanding-{number:02}"
            objects = [
                *self._maybe(0.6, lambda: self._limit_range("of-containers", "Container")),
                *self._maybe(0.3, lambda: self._limit_range("of-pods", "Pod")),
                *self._maybe(0.3, self._quota_of_amounts),
                *self._maybe(0.3, self._quota_by_quality),
            ]
            for manifest in objects:
                manifest["metadata"]["namespace"] = name
            pods = [self._pod(name, f"job-{index}") for index in range(PODS_PER_NAMESPACE)]
            yield DemandingNamespace(name, objects, pods)

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _maybe(self, probability: float, build: Any) -> list[dict[str, Any]]:
        return [build()] if self._happens(probability) else []

    def _limit_range(self, name: str, of: str) -> dict[str, Any]:
        limit: dict[str, Any] = {"type": of}
        for resource in ("cpu", "memory"):
            if self._happens(0.5):
                self._bound(limit, resource)
        return _object("v1", "LimitRange", name, {"limits": [limit]})

    def _bound(self, limit: dict[str, Any], resource: str) -> None:
        """Sets a random subset of the bounds in rising order, and a ratio of at most max / min."""
        fields = ["min", "max"]
        if limit["type"] == "Container":
            fields = ["min", "defaultRequest", "default", "max"]
        amounts = sorted(self._chance.choice(_amounts(resource)) for _ in fields)
        bounds = {field: amount for field, amount in zip(fields, amounts, strict=True) if self._happens(0.5)}
        for field, amount in bounds.items():
            limit.setdefault(field, {})[resource] = _quantity(resource, amount)
        largest_ratio = bounds["max"] / bounds["min"] if {"min", "max"} <= bounds.keys() else max(RATIOS)
        if self._happens(0.4):
            ratio = self._chance.choice([ratio for ratio in RATIOS if ratio <= largest_ratio])
            limit.setdefault("maxLimitRequestRatio", {})[resource] = str(ratio)

    def _quota_of_amounts(self) -> dict[str, Any]:
        names = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
        hard = {
            name: _quantity(name.split(".")[-1], self._chance.choice((1, 4, 16)) * 1000)
            for name in self._chance.sample(names, self._chance.randrange(1, 3))
        }
        scopes = {"scopes": ["NotBestEffort"]} if self._happens(0.3) else {}
        return _object("v1", "ResourceQuota", "of-amounts", {"hard": hard, **scopes})

    def _quota_by_quality(self) -> dict[str, Any]:
        spec = {
            "hard": {"pods": self._chance.choice(("0", "10"))},
            "scopes": [self._chance.choice(("BestEffort", "NotBestEffort"))],
        }
        return _object("v1", "ResourceQuota", "by-quality", spec)

    def _pod(self, namespace: str, job: str) -> DemandedPod:
        names = [f"c{number}" for number in range(self._chance.randrange(1, 4))]
        is_best_effort = self._happens(0.25)
        spec: dict[str, Any] = {
            "automountServiceAccountToken": False,
            "containers": [self._container(name, is_best_effort=is_best_effort) for name in names],
        }
        if self._happens(0.2):
            spec["initContainers"] = [self._container("first", is_best_effort=is_best_effort)]
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{job}-6b6f9d7d5c",
            "uid": "b7c1e9f0-0000-4000-8000-000000000000",
            "controller": True,
        }
        manifest = _object("v1", "Pod", f"{job}-6b6f9d7d5c-x7k2p", spec)
        manifest["metadata"] |= {
            "namespace": namespace,
            "labels": {"pod-template-hash": "6b6f9d7d5c"},
            "ownerReferences": [owner],
        }
        return DemandedPod(namespace, job, manifest, self._needs(names))

    def _container(self, name: str, *, is_best_effort: bool) -> dict[str, Any]:
        resources: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
        for resource in () if is_best_effort else ("cpu", "memory"):
            request, limit = sorted(self._chance.choice(_amounts(resource)) for _ in range(2))
            shape = self._chance.choice(("none", "none", "request", "limit", "equal", "both"))
            if shape in {"request", "equal", "both"}:
                resources["requests"][resource] = _quantity(resource, request)
            if shape in {"limit", "equal", "both"}:
                resources["limits"][resource] = _quantity(resource, request if shape == "equal" else limit)
        return {"name": name, "image": "registry.example/x:1", "resources": resources}

    def _needs(self, names: list[str]) -> dict[Resource, dict[str, float]]:
        """Half of the needs are far out of range; one container in ten has none."""
        usual = {Resource.CPU: (-2, 1), Resource.MEMORY: (6.5, 9.5)}
        extreme = {Resource.CPU: (-3, 9), Resource.MEMORY: (0, 15)}
        return {
            resource: {
                name: 10 ** self._chance.uniform(*self._chance.choice((usual, extreme))[resource])
                for name in names
                if self._happens(0.9)
            }
            for resource in Resource
        }


def _amounts(resource: str) -> tuple[int, ...]:
    return MILLICORES if resource == "cpu" else MEBIBYTES


def _quantity(resource: str, amount: float) -> str:
    return f"{amount}m" if resource == "cpu" else f"{amount}Mi"


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}

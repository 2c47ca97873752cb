"""Pods with resources of any shape, and constraints of their namespaces, from a seed."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.domain.workloads import Workload
from app.rightsizing.constraints import LimitRangeRule, Quota
from app.rightsizing.governors import Governor, GovernorKind
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from tests.webhook.generated_pods import (
    PROFILES,
    WANTED,
    GeneratedPod,
    PodGenerator,
)
from tests.webhook.profiles import with_containers
from tests.webhook.webhooks import constraint_index

NOTE, LABEL = "job-profiler.liqo.io/requests", "job-profiler.liqo.io/scheduling"
CONTAINERS = ("server", "proxy", "other")
CPU = ("0", "1m", "20m", "100m", "0.25", "1", "8", "1e3")
MEMORY = ("0", "1", "4Mi", "33554432", "100M", "1Gi", "1e10", "128974848000m")
FOREIGN = {"ephemeral-storage": "1Gi", "example.org/gpu": "1", "hugepages-2Mi": "2Mi"}


class SizedPodGenerator:
    """Pods and resources of any shape, and the constraints of their namespaces.

    The expected annotations exclude the requests summary.
    """

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._pods = PodGenerator(seed)

    def pods(self, count: int) -> Iterator[GeneratedPod]:
        """*count* Pods; about a third have the scheduling label."""
        for generated in self._pods.pods(count):
            if self._happens(0.95):
                generated.pod["spec"] = self._spec()
            if self._happens(0.3):
                labels = generated.pod["metadata"].get("labels") or {}
                enabled = self._chance.choice(("true", "false"))
                generated.pod["metadata"]["labels"] = labels | {LABEL: enabled}
            if self._happens(0.1):
                present = generated.pod["metadata"].get("annotations") or {}
                generated.pod["metadata"]["annotations"] = present | {NOTE: "forged"}
            yield generated

    def profiles(self) -> Iterator[dict[str, Any]]:
        """The profiles of the Pods' workloads, with needs from tiny to absurd."""
        for manifest in PROFILES:
            exponent = {"CPUProfile": (-3, 9), "MemoryProfile": (0, 15)}.get(manifest["kind"])
            if exponent is None:
                yield manifest
                continue
            names = self._chance.sample(CONTAINERS, self._chance.randrange(1, 4))
            amounts = {name: f"{10 ** self._chance.uniform(*exponent):.3f}" for name in names}
            yield with_containers(manifest, amounts, self._chance.choice(("0.40", "0.50", "0.99")))

    def constraints(self) -> ConstraintIndex:
        """The constraints of both namespaces; in a fifth of the cases only one enables scheduling."""
        enabled = ["shop", "emojivoto"] if self._happens(0.8) else ["shop"]
        index = constraint_index(enabled)
        for namespace in ("shop", "emojivoto"):
            if self._happens(0.6):
                index.limit_ranges.upsert(ConstraintObject(namespace, "r", (self._rule(), self._rule())))
            if self._happens(0.3):
                index.quotas.upsert(ConstraintObject(namespace, "q", self._quota()))
        scaled = Governor(
            GovernorKind.HORIZONTAL, self._chance.choice([*WANTED]), frozenset(self._resources())
        )
        index.horizontal_autoscalers.upsert(ConstraintObject("shop", "h", scaled))
        for number, workload in enumerate(WANTED):
            if self._happens(0.3):
                name = f"v{number}"
                index.vertical_autoscalers.upsert(
                    ConstraintObject(workload.namespace, name, self._vertical(workload))
                )
        return index

    def _vertical(self, workload: Workload) -> Governor:
        """A VPA that sets some resources of some containers."""
        containers = ((name, frozenset(resources)) for name in CONTAINERS if (resources := self._resources()))
        return Governor(GovernorKind.VERTICAL, workload, containers=tuple(containers))

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _resources(self) -> list[Resource]:
        return self._chance.sample(list(Resource), self._chance.randrange(3))

    def _rule(self) -> LimitRangeRule:
        ratio = {resource: Decimal(self._chance.choice((1, 2, 10))) for resource in self._resources()}
        applies_to = self._chance.choice(("Container", "Pod"))
        return LimitRangeRule(applies_to, self._amounts(), self._amounts(), ratio)

    def _amounts(self) -> dict[Resource, Decimal]:
        values = {Resource.CPU: CPU, Resource.MEMORY: MEMORY}
        return {each: parse_quantity(self._chance.choice(values[each])) for each in self._resources()}

    def _quota(self) -> Quota:
        requests, limits = frozenset(self._resources()), frozenset(self._resources())
        return Quota(requests, limits, has_best_effort_scope=self._happens(0.3))

    def _spec(self) -> dict[str, Any]:
        names = self._chance.sample(CONTAINERS, self._chance.randrange(1, 4))
        spec: dict[str, Any] = {"nodeName": "n", "containers": [self._container(name) for name in names]}
        if self._happens(0.3):
            spec["initContainers"] = [self._container("first"), self._container("server-0")]
            if self._happens(0.5):
                spec["initContainers"][1]["restartPolicy"] = "Always"
        if self._happens(0.05):
            spec["resources"] = {"requests": self._quantities()}
        return spec

    def _container(self, name: str) -> dict[str, Any]:
        manifest: dict[str, Any] = {"name": name, "image": "registry.local/server:1"}
        shape = self._chance.randrange(6)
        if shape == 0:
            return manifest
        if shape == 1:
            return manifest | {"resources": self._chance.choice(({}, None, {"requests": None}))}
        amounts = {"requests": self._quantities(), "limits": self._quantities()}
        if shape == 2:
            amounts["limits"] = dict(amounts["requests"])
        return manifest | {
            "resources": {key: each for key, each in amounts.items() if each or self._happens(0.3)}
        }

    def _quantities(self) -> dict[str, str]:
        """Mostly amounts, and sometimes one that no API server accepts."""
        quantities = {key: value for key, value in FOREIGN.items() if self._happens(0.2)}
        for name, values in (("cpu", CPU), ("memory", MEMORY)):
            if self._happens(0.5):
                quantities[name] = self._chance.choice(values) if self._happens(0.98) else "-1"
        return quantities

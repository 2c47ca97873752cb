"""Thousands of Pods, with and without scheduling, with patches applied by an RFC 6902 library."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.rightsizing.constraints import LimitRangeRule, Quota
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from tests.webhook.generated_pods import (
    LIMIT_BYTES,
    PROFILES,
    WANTED,
    GeneratedPod,
    PodGenerator,
    document,
    size_bytes,
)
from tests.webhook.profiles import with_containers
from tests.webhook.reviews import applied, encoded, patch_in, review
from tests.webhook.webhooks import Webhook, constraint_index, sizing_webhook, webhook_with

NOTE, LABEL = "job-profiler.liqo.io/requests", "job-profiler.liqo.io/scheduling"
REVIEWS, NAMESPACES = 200, 25
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
        autoscaled = frozenset(self._resources())
        index.autoscalers.upsert(ConstraintObject("shop", "h", (self._chance.choice([*WANTED]), autoscaled)))
        return index

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
        found: dict[str, Any] = {"name": name, "image": "registry.local/server:1"}
        shape = self._chance.randrange(6)
        if shape == 0:
            return found
        if shape == 1:
            return found | {"resources": self._chance.choice(({}, None, {"requests": None}))}
        given = {"requests": self._quantities(), "limits": self._quantities()}
        if shape == 2:
            given["limits"] = dict(given["requests"])
        return found | {"resources": {key: each for key, each in given.items() if each or self._happens(0.3)}}

    def _quantities(self) -> dict[str, str]:
        """Mostly amounts, and sometimes one that no API server accepts."""
        found = {key: value for key, value in FOREIGN.items() if self._happens(0.2)}
        for name, values in (("cpu", CPU), ("memory", MEMORY)):
            if self._happens(0.5):
                found[name] = self._chance.choice(values) if self._happens(0.98) else "-1"
        return found


def test_every_generated_pod_ends_sized_once_and_only_where_it_may() -> None:
    """Each of 5,000 Pods under 25 sets of constraints is admitted, and its second review changes nothing.

    Beside annotations only CPU and memory requests differ, and a changed request is never above its limit;
    the profile names are the same as without sizing. Without scheduling, the answer is byte for byte that of
    a webhook that sets no requests. The metrics show that some Pods are resized and others are not.
    """
    resized = 0.0
    for seed in range(NAMESPACES):
        generator = SizedPodGenerator(seed)
        profiles, constraints = list(generator.profiles()), generator.constraints()
        sizing, plain = sizing_webhook(*profiles, constraints=constraints), webhook_with(*profiles)
        for number, generated in enumerate(generator.pods(REVIEWS)):
            check(
                sizing, plain, generated, is_enabled=is_enabled(constraints, generated), case=(seed, number)
            )
        resized += sizing.resized
        assert sizing.not_resized("internal_error") == 0

    assert REVIEWS * NAMESPACES / 10 < resized < REVIEWS * NAMESPACES / 2


def is_enabled(constraints: ConstraintIndex, generated: GeneratedPod) -> bool:
    """True if the label of the Pod, or else of the namespace, enables scheduling."""
    label = (generated.pod["metadata"].get("labels") or {}).get(LABEL)
    return label == "true" or (label is None and constraints.is_scheduling_enabled(generated.namespace))


def check(
    sizing: Webhook, plain: Webhook, generated: GeneratedPod, *, is_enabled: bool, case: tuple[int, int]
) -> None:
    """Review one Pod twice by *sizing* and once by *plain*."""
    context = (case, document(generated))
    body = encoded(review(generated.pod, generated.namespace))
    answer, without = sizing.mutator.review(body), plain.mutator.review(body)
    patched = applied(answer, generated.pod)

    again = encoded(review(patched, generated.namespace))
    assert patch_in(sizing.mutator.review(again)) == [], context
    is_forged = NOTE in (generated.pod["metadata"].get("annotations") or {})
    if generated.namespace == "kube-system" or not (is_enabled or is_forged):
        assert answer == without, context
    annotations = dict(patched["metadata"].get("annotations") or {})
    note = annotations.pop(NOTE, None)
    assert generated.namespace == "kube-system" or note != "forged", context
    if size_bytes(annotations) < LIMIT_BYTES / 2:
        assert annotations == generated.expected, context
    assert only_requests_differ(generated.pod.get("spec"), patched.get("spec"), has_note=note is not None), (
        context
    )


def only_requests_differ(before: Any, after: Any, *, has_note: bool) -> bool:
    """True if the specs differ only in CPU and memory requests, each within its limit."""
    if before == after:
        return True
    rest_before, rest_after = copy.deepcopy(before), copy.deepcopy(after)
    for group in ("containers", "initContainers"):
        for was, now in zip(rest_before.get(group, []), rest_after.get(group, []), strict=True):
            given, found = was.pop("resources", None) or {}, now.pop("resources", None) or {}
            if (given.get("limits") or {}) != (found.get("limits") or {}):
                return False
            given, found, limits = (
                dict(each or {})
                for each in (given.get("requests"), found.get("requests"), found.get("limits"))
            )
            for resource in ("cpu", "memory"):
                value, limit = found.pop(resource, None), limits.get(resource)
                changed = value != given.pop(resource, None)
                if changed and limit and parse_quantity(value) > parse_quantity(limit):
                    return False
            if given != found:
                return False
    return has_note and rest_before == rest_after


def test_the_same_seed_gives_the_same_pods() -> None:
    """Failures are reproducible."""
    first, second = (list(SizedPodGenerator(7).pods(50)) for _ in range(2))

    assert first == second

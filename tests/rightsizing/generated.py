"""Random Pods, namespaces, profiles and policies; the same seed gives the same case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.domain.workload_policy import Bound, Bounds
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.rightsizing.resizing import ContainerNeeds
from tests.rightsizing import api_server
from tests.rightsizing.manifests import MIB, Object, pod

Amounts = Mapping[str, Sequence[str]]
NAMES = ("app", "proxy", "worker", "logger")
FOREIGN = {"nvidia.com/gpu": "1", "ephemeral-storage": "1Gi"}
AMOUNTS: Amounts = {
    "cpu": (
        *("0", "1m", "20m", "50m", "0.1", "100m", "115m", "150m", "250000u", "300m", "333m", "500m"),
        *("1", "1500m", "2", "4", "100"),
    ),
    "memory": (
        *("0", "1", "1Mi", "32Mi", "64Mi", "100M", "100Mi", "1e8", "123456789", "128Mi", "147Mi", "256Mi"),
        *("1Gi", "1.5Gi", "2Gi", "1Ti"),
    ),
}
HUGE_AMOUNTS: Amounts = {"cpu": (*AMOUNTS["cpu"], "9P"), "memory": (*AMOUNTS["memory"], "7E", "9000P")}
RATIOS = ("1", "1.5", "2", "3.3", "10")
CORES = ("0.001", "0.03", "0.1", "0.115", "0.25", "0.4", "1", "3.3333", "1000000000")
BYTES = ("1", "33554433", "67108864", "100000000", "134217728", "500000000", "2000000000", "1e30")
COUNTED = ("cpu", "requests.cpu", "memory", "requests.memory", "limits.cpu", "limits.memory", "pods")


@dataclass(frozen=True)
class Case:
    """A Pod as webhooks see it, its namespace's constraints, its workload's needs, and the policy."""

    pod: Object
    limit_ranges: Sequence[Object]
    quotas: Sequence[Object]
    needs: dict[Resource, ContainerNeeds]
    policy: SchedulingPolicy
    autoscaled: frozenset[Resource]
    governed: Mapping[str, Sequence[Resource]]


def case_of(seed: int, amounts: Amounts = HUGE_AMOUNTS) -> Case:
    """A case; most Pods have the API server's defaults, and most namespaces would admit them."""
    return _Generator(Random(seed), amounts).case()


class _Generator:
    def __init__(self, chance: Random, amounts: Amounts) -> None:
        self._chance, self._amounts = chance, amounts

    def case(self) -> Case:
        limit_ranges = [self._limit_range() for _ in range(self._chance.randrange(3))]
        quotas = [self._quota() for _ in range(self._chance.choice((0, 1, 1, 2)))]
        manifest = self._pod()
        if self._happens(0.75):
            manifest = api_server.with_defaults(manifest, limit_ranges)
        if self._happens(0.75):
            limit_ranges = [_without_violated_bounds(manifest, each) for each in limit_ranges]
            quotas = [_without_unspecified_resources(manifest, each) for each in quotas]
        autoscaled = frozenset({Resource.CPU}) if self._happens(0.1) else frozenset[Resource]()
        needs, policy = self._needs(manifest), self._policy()
        return Case(manifest, limit_ranges, quotas, needs, policy, autoscaled, self._governed())

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _two(self, lower: Sequence[str], upper: Sequence[str]) -> list[str]:
        """Two quantities in ascending order."""
        return sorted((self._chance.choice(lower), self._chance.choice(upper)), key=api_server.quantity)

    def _pod(self) -> Object:
        """One to four containers and up to two init containers, some of them sidecars."""
        containers = [self._container(name) for name in NAMES[: self._chance.randint(1, 4)]]
        before = [self._container(f"init-{number}") for number in range(self._chance.randrange(3))]
        for each in before:
            if self._happens(0.5):
                each["restartPolicy"] = "Always"
        return pod(*containers, before=before)

    def _container(self, name: str) -> Object:
        manifest = {"name": name, "image": "example/app"}
        shape = self._chance.random()
        if shape < 0.1:
            return manifest
        return manifest | {"resources": None if shape < 0.2 else self._resources()}

    def _resources(self) -> Object:
        """Any combination of amounts, with requests not above limits, beside other resources."""
        requests: dict[str, str] = {}
        limits: dict[str, str] = {}
        for name, choices in self._amounts.items():
            low, high = self._two(choices, choices)
            shape = self._chance.choice(("both", "both", "request", "limit", "neither", "equal"))
            if shape in {"both", "request", "equal"}:
                requests[name] = high if shape == "equal" else low
            if shape in {"both", "limit", "equal"}:
                limits[name] = high
        members: Object = {}
        foreign = FOREIGN if self._happens(0.2) else {}
        for member, amounts in (("requests", requests | foreign), ("limits", limits | foreign)):
            if amounts or self._happens(0.5):
                members[member] = amounts or self._chance.choice((None, {}))
        return members | ({"claims": [{"name": "device"}]} if self._happens(0.2) else {})

    def _limit_range(self) -> Object:
        """One or two entries of different types."""
        types = self._chance.sample(("Container", "Pod", "PersistentVolumeClaim"), self._chance.randint(1, 2))
        return {"kind": "LimitRange", "spec": {"limits": [self._entry(applies_to) for applies_to in types]}}

    def _entry(self, applies_to: str) -> Object:
        """Bounds that the API accepts: min at most max, and min times the ratio at most max."""
        if applies_to == "PersistentVolumeClaim":
            return {"type": applies_to, "max": {"storage": "1Gi"}}
        entry: Object = {"type": applies_to}
        for name, choices in AMOUNTS.items():
            low, high = self._two(choices[:8], choices[4:])
            bounds = {"min": low, "max": high, "maxLimitRequestRatio": self._chance.choice(RATIOS)}
            kept = {bound for bound in bounds if self._happens(0.4)}
            least, most, ratio = map(api_server.quantity, bounds.values())
            if ratio * least > most:
                kept -= {"maxLimitRequestRatio"}
            for bound in sorted(kept):
                entry.setdefault(bound, {})[name] = bounds[bound]
        return entry

    def _quota(self) -> Object:
        """A quota with random resources, sometimes with a scope by quality of service."""
        counted = self._chance.sample(COUNTED, self._chance.randint(1, 3))
        scope = self._chance.choice((None, None, None, "BestEffort", "NotBestEffort"))
        hard = dict.fromkeys(["pods"] if scope == "BestEffort" else counted, "1E")
        return {"kind": "ResourceQuota", "spec": {"hard": hard} | ({"scopes": [scope]} if scope else {})}

    def _needs(self, manifest: Object) -> dict[Resource, ContainerNeeds]:
        spec = manifest["spec"]
        names = [container["name"] for container in (*spec["containers"], *spec.get("initContainers", ()))]
        needs: dict[Resource, ContainerNeeds] = {}
        for resource, values in ((Resource.CPU, CORES), (Resource.MEMORY, BYTES)):
            profiled = [name for name in (*names, "gone") if self._happens(0.8)]
            amounts = {name: Decimal(self._chance.choice(values)) for name in profiled}
            if self._happens(0.85):
                confidence = self._chance.choice((0.87, 0.87, 0.87, 0.5, 0.2))
                needs[resource] = ContainerNeeds(amounts, confidence, *self._annotated(resource, amounts))
        return needs

    def _governed(self) -> Mapping[str, Sequence[Resource]]:
        """The resources of containers that a VPA sets, in a fifth of the cases."""
        if not self._happens(0.2):
            return {}
        subsets = ((Resource.CPU,), (Resource.MEMORY,), tuple(Resource))
        return {name: self._chance.choice(subsets) for name in NAMES if self._happens(0.5)}

    def _annotated(
        self, resource: Resource, amounts: dict[str, Decimal]
    ) -> tuple[dict[str, Bounds], dict[str, str]]:
        """Bounds of some containers, and others that are off, which have no need then."""
        kept = {name: "off" for name in list(amounts) if self._happens(0.05)}
        for name in kept:
            del amounts[name]
        return {name: self._bounds(resource) for name in amounts if self._happens(0.25)}, kept

    def _bounds(self, resource: Resource) -> Bounds:
        choices = AMOUNTS[resource.value]
        least, most = map(parse_quantity, self._two(choices[:8], choices[4:]))
        rule = PolicyRule(PolicyKey.OFF, "", PolicySource.WORKLOAD)
        minimum, maximum = Bound(least, rule), Bound(max(most, Decimal("0.001")), rule)
        return Bounds(
            minimum if self._happens(0.6) else None,
            maximum if maximum.amount >= minimum.amount and self._happens(0.6) else None,
        )

    def _policy(self) -> SchedulingPolicy:
        ratios = [Decimal(self._chance.choice(("0", "0", "0", "1", "1.2", "1.5", "3"))) for _ in Resource]
        return SchedulingPolicy(
            0.5,
            Decimal(self._chance.choice(("0", "0.15", "0.15", "0.5", "2"))),
            {
                Resource.CPU: RequestBounds(Decimal("0.02"), Decimal(16), ratios[0]),
                Resource.MEMORY: RequestBounds(Decimal(32 * MIB), Decimal(65536 * MIB), ratios[1]),
            },
        )


def _without_violated_bounds(manifest: Object, limit_range: Object) -> Object:
    """The LimitRange without the bounds that the Pod violates."""
    entries: list[Object] = []
    for entry in limit_range["spec"]["limits"]:
        kept: Object = {"type": entry["type"]}
        for bound in ("min", "max", "maxLimitRequestRatio"):
            for name, text in entry.get(bound, {}).items():
                single = {"spec": {"limits": [{"type": entry["type"], bound: {name: text}}]}}
                if not any(
                    api_server.complaints(manifest, [single], (), each) for each in api_server.SERVERS
                ):
                    kept.setdefault(bound, {})[name] = text
        entries.append(kept)
    return {"kind": "LimitRange", "spec": {"limits": entries}}


def _without_unspecified_resources(manifest: Object, counted: Object) -> Object:
    """The ResourceQuota without the resources that the Pod does not specify."""
    hard = {"pods": "1E"} | {
        key: text
        for key, text in counted["spec"]["hard"].items()
        if not api_server.complaints(manifest, quotas=[{"spec": {"hard": {key: text}}}])
    }
    return counted | {"spec": counted["spec"] | {"hard": hard}}

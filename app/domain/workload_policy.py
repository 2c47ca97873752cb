"""The policy of one workload: its risk, bounds of its requests, and containers that stay as they are; pure.

It is what the annotations of its namespace, its object and its Pod template say together. Each key is decided
on its own, by the nearest object that has it. A container takes the rule of its own name, else the one of all
containers, as in the `resourcePolicy` of a VerticalPodAutoscaler.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from app.domain.policy_rule import PolicyKey, PolicyRule, PolicySource
from app.domain.profiles import Resource, RiskLevel
from app.domain.quantities import amount_in
from app.domain.untyped import list_in, mapping_in, text_in
from app.domain.workloads import Workload

MAX_RULES = 64  # in a profile; others are of no container that has been seen
_MAX_TEXT = 64
# The minimum and the maximum of each resource.
BOUND_KEYS: Mapping[Resource, tuple[PolicyKey, PolicyKey]] = {
    Resource.CPU: (PolicyKey.MIN_CPU, PolicyKey.MAX_CPU),
    Resource.MEMORY: (PolicyKey.MIN_MEMORY, PolicyKey.MAX_MEMORY),
}
RESOURCE_OF_KEY = {key: resource for resource, keys in BOUND_KEYS.items() for key in keys}
_NEARNESS = list(PolicySource)
_KEYS, _SOURCES = frozenset(PolicyKey), frozenset(PolicySource)
_TRUE = "true"


@dataclass(frozen=True, slots=True)
class Bound:
    """A smallest or largest request in cores or bytes, and the rule that it comes from."""

    amount: Decimal
    rule: PolicyRule


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one container in one resource; the minimum is not above the maximum."""

    minimum: Bound | None = None
    maximum: Bound | None = None

    def nearest(self, amount: Decimal) -> Decimal:
        """The amount within the bounds that is nearest to *amount*."""
        bound = self.that_moves(amount)
        return bound.amount if bound else amount

    def that_moves(self, amount: Decimal) -> Bound | None:
        """The bound that *amount* violates."""
        if self.minimum and amount < self.minimum.amount:
            return self.minimum
        return self.maximum if self.maximum and amount > self.maximum.amount else None


NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class WorkloadPolicy:
    """At most one rule per key and container; `faults` are the annotations that set none, as sentences."""

    rules: tuple[PolicyRule, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def risk(self) -> RiskLevel | None:
        """The level of the workload; None for that of the installation."""
        rule = self.rule(PolicyKey.RISK)
        return RiskLevel(rule.value) if rule else None

    def rule(self, key: PolicyKey, container: str = "") -> PolicyRule | None:
        """The rule of *key* for a container, or for all of them."""
        named = [rule for rule in self.rules if rule.key is key and rule.container in {"", container}]
        return max(named, key=lambda rule: bool(rule.container), default=None)

    def off(self, container: str) -> PolicyRule | None:
        """The rule that leaves *container* as it is, if one does."""
        rule = self.rule(PolicyKey.OFF, container)
        return rule if rule and rule.value == _TRUE else None

    def bounds(self, resource: Resource, container: str) -> Bounds:
        """The bounds of *container*.

        If its minimum is above its maximum, the rule of a container counts rather than one of all, and then
        the nearer one.
        """
        lower, upper = (_bound(self.rule(key, container)) for key in BOUND_KEYS[resource])
        if lower and upper and lower.amount > upper.amount:
            return Bounds(minimum=lower) if _rank(lower.rule) < _rank(upper.rule) else Bounds(maximum=upper)
        return Bounds(lower, upper) if lower or upper else NO_BOUNDS

    def over(self, farther: "WorkloadPolicy") -> "WorkloadPolicy":
        """This policy, and what only that of a *farther* object sets; one of both itself if that is all."""
        if farther == NO_POLICY:
            return self
        if self == NO_POLICY:
            return farther
        return WorkloadPolicy(ordered((*farther.rules, *self.rules)), (*self.faults, *farther.faults))

    def without_faults(self) -> "WorkloadPolicy":
        """Its rules alone."""
        return WorkloadPolicy(self.rules) if self.faults else self

    def without_risk(self) -> "WorkloadPolicy":
        """This policy without a level of its own."""
        return WorkloadPolicy(
            tuple(rule for rule in self.rules if rule.key is not PolicyKey.RISK), self.faults
        )

    def stored_rules(self, resource: Resource, containers: Collection[str]) -> tuple[PolicyRule, ...]:
        """The rules for the profile of *resource* of a workload with these *containers*."""
        return tuple(
            rule
            for rule in self.rules
            if RESOURCE_OF_KEY.get(rule.key, resource) is resource
            and (not rule.container or rule.container in containers)
        )[:MAX_RULES]


NO_POLICY = WorkloadPolicy()


def ordered(rules: Iterable[PolicyRule]) -> tuple[PolicyRule, ...]:
    """The last of *rules* for each key and container, those of all containers first."""
    last = {(rule.container, rule.key): rule for rule in rules}
    return tuple(last[place] for place in sorted(last))


def contradicts(minimum: PolicyRule, maximum: PolicyRule) -> bool:
    """True if the amount of *minimum* is above that of *maximum*."""
    lower, upper = _bound(minimum), _bound(maximum)
    return bool(lower and upper and lower.amount > upper.amount)


def place_of(source: PolicySource, workload: Workload) -> str:
    """The object with the annotation, as a sentence names it."""
    match source:
        case PolicySource.NAMESPACE:
            return f"namespace {workload.namespace}"
        case PolicySource.WORKLOAD:
            return f"{workload.kind} {workload.name}"
        case PolicySource.TEMPLATE:
            return "the Pod template"


def in_words(rule: PolicyRule, workload: Workload) -> str:
    """A rule as a reason, such as `at most 512Mi by max-memory of namespace web`."""
    origin = f"{rule.annotation} of {place_of(rule.source, workload)}"
    match rule.key:
        case PolicyKey.OFF:
            return f"turned {'off' if rule.value == _TRUE else 'on'} by annotation {origin}"
        case PolicyKey.RISK:
            return f"{rule.value} risk by {origin}"
        case PolicyKey.MIN_CPU | PolicyKey.MIN_MEMORY:
            return f"at least {rule.value} by {origin}"
        case PolicyKey.MAX_CPU | PolicyKey.MAX_MEMORY:
            return f"at most {rule.value} by {origin}"


def to_items(rules: Iterable[PolicyRule]) -> list[dict[str, str]]:
    """*rules* as a status holds them."""
    return [
        {"annotation": rule.annotation, "value": rule.value, "source": rule.source.value} for rule in rules
    ]


def from_items(items: object) -> tuple[PolicyRule, ...]:
    """The rules in a status; what people wrote that is none is left out."""
    listed = [
        tuple(text_in(item.get(field))[:_MAX_TEXT] for field in ("annotation", "value", "source"))
        for item in map(mapping_in, list_in(items)[:MAX_RULES])
    ]
    return _read(tuple(listed)) if listed else ()


def policy_in(manifest: Mapping[str, Any]) -> WorkloadPolicy:
    """The policy in the status of a stored profile."""
    rules = from_items(mapping_in(manifest.get("status")).get("policy"))
    return WorkloadPolicy(rules) if rules else NO_POLICY


@lru_cache(maxsize=2000)
def _read(items: tuple[tuple[str, ...], ...]) -> tuple[PolicyRule, ...]:
    """The rules as one object for all profiles with the same ones."""
    rules = []
    for annotation, value, source in items:
        key, _, container = annotation.partition(".")
        if key in _KEYS and source in _SOURCES:
            rule = PolicyRule(PolicyKey(key), value, PolicySource(source), container)
            if _is_usable(rule):
                rules.append(rule)
    return ordered(rules)


def _is_usable(rule: PolicyRule) -> bool:
    match rule.key:
        case PolicyKey.OFF:
            return rule.value in {_TRUE, "false"}
        case PolicyKey.RISK:
            return rule.value in frozenset(RiskLevel) and not rule.container
    return amount_in(rule.value) is not None


def _bound(rule: PolicyRule | None) -> Bound | None:
    amount = amount_in(rule.value) if rule else None
    return Bound(amount, rule) if rule and amount is not None else None


def _rank(rule: PolicyRule) -> tuple[bool, int]:
    """The smaller it is, the more a rule counts."""
    return not rule.container, _NEARNESS.index(rule.source)

"""The needs of a workload's containers in one resource, and what its policy says of each of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from app.domain.policy_rule import PolicyRule
from app.domain.profiles import Resource
from app.domain.quantities import amount_in
from app.domain.workload_policy import NO_BOUNDS, Bounds, WorkloadPolicy, in_words
from app.domain.workloads import Workload

_NOTHING: Mapping[str, Any] = MappingProxyType({})  # shared, since most workloads have no policy


@dataclass(frozen=True, slots=True)
class ContainerNeeds:
    """The needs of containers in one resource, by name, in cores or bytes.

    `bounds` has the bounds of requests by annotations, and `kept` the reason of each container that stays as
    it is, by an annotation or since something else sets its request; a kept one has no need here.
    """

    containers: Mapping[str, Decimal]
    confidence: float
    bounds: Mapping[str, Bounds] = field(default_factory=lambda: _NOTHING)
    kept: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    @property
    def reason_to_keep(self) -> str:
        """The reason if all containers are kept for the same one."""
        reasons = set(self.kept.values())
        return reasons.pop() if len(reasons) == 1 and not self.containers else ""

    def keeping(self, reasons: Mapping[str, str]) -> "ContainerNeeds":
        """These needs without the containers that have one of *reasons*."""
        if not reasons:
            return self
        left = {name: need for name, need in self.containers.items() if name not in reasons}
        return replace(self, containers=left, kept={**reasons, **self.kept})


def container_needs(
    workload: Workload,
    resource: Resource,
    values: Mapping[str, str],
    confidence: float,
    rules: Iterable[PolicyRule] = (),
) -> ContainerNeeds:
    """The needs in the *values* of a profile with this *confidence* and the *rules* of its policy."""
    needs = {name: amount for name, value in values.items() if (amount := amount_in(value))}
    policy = WorkloadPolicy(tuple(rules))
    if not policy.rules:
        return ContainerNeeds(needs, confidence)
    kept = {name: in_words(rule, workload) for name in needs if (rule := policy.off(name))}
    bounds = {name: policy.bounds(resource, name) for name in needs}
    return ContainerNeeds(
        {name: amount for name, amount in needs.items() if name not in kept},
        confidence,
        {name: bound for name, bound in bounds.items() if bound is not NO_BOUNDS},
        kept,
    )

"""What the policy of a workload does, as sentences for people; pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from app.domain.policy_rule import PolicyKey
from app.domain.profiles import Resource
from app.domain.quantities import RESOURCE_NAMES, need_quantity
from app.domain.workload_policy import WorkloadPolicy, in_words
from app.domain.workloads import Workload


def policy_effects(
    workload: Workload,
    policies: Mapping[Resource, WorkloadPolicy],
    needs: Mapping[Resource, Mapping[str, Decimal]],
) -> Iterator[str]:
    """The risk, what is off, and each bound that keeps a request from one of the *needs* by container."""
    for rule in dict.fromkeys(rule for policy in policies.values() for rule in policy.rules):
        if rule.key in {PolicyKey.RISK, PolicyKey.OFF}:
            yield f"{f'{rule.container}: ' if rule.container else ''}{in_words(rule, workload)}"
    for resource, policy in policies.items():
        for container, need in needs.get(resource, {}).items():
            if bound := policy.bounds(resource, container).that_moves(need):
                yield (
                    f"{container}, {RESOURCE_NAMES[resource]}: {in_words(bound.rule, workload)}"
                    f" (the need is {need_quantity(resource, str(need))})"
                )

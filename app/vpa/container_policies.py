"""The `resourcePolicy` of a VerticalPodAutoscaler: which containers and resources it sets, and within what.

The API server checks little of it without VPA's own webhook: a part of another type than the API's counts as
absent.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from app.domain.profiles import Resource
from app.domain.quantities import amount_in
from app.domain.untyped import list_in, mapping_in, text_in

_OTHERS = "*"
_MAX_POLICIES = 128  # a Pod with more than 100 containers gets no recommendation
_RESOURCES = frozenset(Resource)


class ContainerPolicy(msgspec.Struct, frozen=True, gc=False):
    """What holds for one container; a `container` of `*` stands for all that no other policy names.

    `minimum` and `maximum` are the least and the largest request, in cores or bytes.
    """

    container: str = _OTHERS
    is_off: bool = False
    requests_only: bool = False
    resources: frozenset[Resource] = _RESOURCES
    minimum: Mapping[Resource, Decimal] = {}
    maximum: Mapping[Resource, Decimal] = {}

    def within(self, resource: Resource, amount: Decimal) -> Decimal:
        """*amount* within the bounds; the maximum counts if the minimum is above it, as in VPA itself."""
        least, most = self.minimum.get(resource), self.maximum.get(resource)
        amount = amount if least is None else max(amount, least)
        return amount if most is None else min(amount, most)

    def contradictions(self) -> Iterable[Resource]:
        """The resources whose minimum is above the maximum."""
        return (
            resource
            for resource in Resource
            if resource in self.minimum
            and resource in self.maximum
            and self.minimum[resource] > self.maximum[resource]
        )


NO_CONTAINER_POLICY = ContainerPolicy()


def read_policies(spec: Mapping[str, object]) -> tuple[ContainerPolicy, ...]:
    """The policies in the `spec` of a VerticalPodAutoscaler."""
    listed = list_in(mapping_in(spec.get("resourcePolicy")).get("containerPolicies"))[:_MAX_POLICIES]
    policies = map(_read_policy, map(mapping_in, listed))
    return tuple(policy for policy in policies if policy.container)


def policy_of(container: str, policies: Iterable[ContainerPolicy]) -> ContainerPolicy:
    """The policy of *container*: the first that names it, else the last one of all others, as in VPA."""
    of_others = NO_CONTAINER_POLICY
    for policy in policies:
        if policy.container == container:
            return policy
        if policy.container == _OTHERS:
            of_others = policy
    return of_others


def _read_policy(item: Mapping[str, object]) -> ContainerPolicy:
    listed = item.get("controlledResources")
    resources = {text_in(name) for name in listed} if isinstance(listed, list) else _RESOURCES
    return ContainerPolicy(
        text_in(item.get("containerName")),
        is_off=item.get("mode") == "Off",
        requests_only=item.get("controlledValues") == "RequestsOnly",
        resources=frozenset(resource for resource in Resource if resource in resources),
        minimum=_amounts(item.get("minAllowed")),
        maximum=_amounts(item.get("maxAllowed")),
    )


def _amounts(quantities: object) -> dict[Resource, Decimal]:
    written = mapping_in(quantities)
    read = ((resource, _amount(written.get(resource.value))) for resource in Resource)
    return {resource: amount for resource, amount in read if amount is not None}


def _amount(value: object) -> Decimal | None:
    """The number in a quantity, which may stand without quotation marks."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return amount_in(str(value) if is_number else value)

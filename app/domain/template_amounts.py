"""Requests and limits in a Pod template, per container and per replica."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource
from app.domain.quantities import amount_in, format_quantity, parse_quantity
from app.domain.workload_state import NO_AMOUNTS, ContainerRequests, ResourceAmounts

# A Pod with more containers gets no requests, and a profile lists no more.
_MAX_CONTAINERS = 100
Quantities = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TemplateAmounts:
    """The amounts of each resource in one Pod template; `pod_level` are those in its own `spec.resources`."""

    cpu: ResourceAmounts = NO_AMOUNTS
    memory: ResourceAmounts = NO_AMOUNTS
    pod_level: frozenset[Resource] = frozenset()

    def of(self, resource: Resource) -> ResourceAmounts:
        """The amounts of *resource*."""
        return self.cpu if resource is Resource.CPU else self.memory

    def largest(self, other: "TemplateAmounts") -> "TemplateAmounts":
        """The amounts of the template that requests more, for runs that share a profile; one per resource.

        What one of them has on the level of the Pod counts for both.
        """
        if self == other:
            return self
        return TemplateAmounts(
            max(self.cpu, other.cpu, key=_order),
            max(self.memory, other.memory, key=_order),
            self.pod_level | other.pod_level,
        )


NO_TEMPLATE_AMOUNTS = TemplateAmounts()


def template_amounts(
    containers: Iterable[tuple[str, Quantities, Quantities]],
    pod_requests: Quantities | None = None,
    pod_limits: Quantities | None = None,
) -> TemplateAmounts:
    """The amounts of long-running *containers* (name, requests, limits), and of the Pod's own `resources`."""
    containers, pod_requests, pod_limits = tuple(containers), pod_requests or {}, pod_limits or {}
    named = {*pod_requests, *pod_limits}
    return TemplateAmounts(
        _amounts(Resource.CPU, containers, pod_requests, pod_limits),
        _amounts(Resource.MEMORY, containers, pod_requests, pod_limits),
        frozenset(resource for resource in Resource if resource.value in named),
    )


def _amounts(
    resource: Resource,
    containers: tuple[tuple[str, Quantities, Quantities], ...],
    pod_requests: Quantities,
    pod_limits: Quantities,
) -> ResourceAmounts:
    limits = [amount_in(limits.get(resource.value)) for _, _, limits in containers]
    # The API server takes a limit without a request as the request too.
    requests = [
        limit if (request := amount_in(written.get(resource.value))) is None else request
        for (_, written, _), limit in zip(containers, limits, strict=True)
    ]
    replica_limit = None if None in limits else _sum(limits)
    replica_request = _or(amount_in(pod_requests.get(resource.value)), _sum(requests))
    parts = tuple(
        ContainerRequests(name, _text(resource, request), _text(resource, limit))
        for (name, _, _), request, limit in zip(containers, requests, limits, strict=True)
        if request is not None or limit is not None
    )
    return ResourceAmounts(
        _text(resource, replica_request),
        _text(resource, _or(amount_in(pod_limits.get(resource.value)), replica_limit)),
        parts[:_MAX_CONTAINERS],
    )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


def _or(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return second if first is None else first


def _text(resource: Resource, amount: Decimal | None) -> str:
    return "" if amount is None else format_quantity(resource, amount)


def _order(amounts: ResourceAmounts) -> tuple[Decimal, str, tuple[str, ...]]:
    request = parse_quantity(amounts.request) if amounts.request else Decimal(-1)
    return request, amounts.limit, tuple(container.name for container in amounts.containers)

"""New amounts of each container in one resource: its need within all bounds.

Sizing a sized Pod again changes nothing: no bound depends on the amounts that are set here, except that under
a quota amounts can only fall.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, floor_to_unit, round_up
from app.rightsizing.constraints import CONTAINER, POD, Constraints, LimitRangeRule
from app.rightsizing.needs import ContainerNeeds
from app.rightsizing.policy import RequestBounds

_NOTHING, _EVERYTHING = Decimal(0), Decimal("Infinity")
_Place = tuple[str, int]  # group and index


@dataclass(frozen=True, slots=True)
class AmountRange:
    """Amounts from `lower` to `upper`; empty if `lower` is above `upper`."""

    lower: Decimal
    upper: Decimal

    def __contains__(self, amount: Decimal) -> bool:
        return self.lower <= amount <= self.upper

    def __and__(self, other: "AmountRange") -> "AmountRange":
        return AmountRange(max(self.lower, other.lower), min(self.upper, other.upper))

    def nearest(self, amount: Decimal) -> Decimal:
        """The amount in the range that is nearest to *amount*."""
        return min(max(amount, self.lower), self.upper)


_ANY = AmountRange(_NOTHING, _EVERYTHING)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The amounts of one resource that a namespace allows for a container, and for a Pod in total."""

    container: AmountRange
    pod: AmountRange
    max_limit_request_ratio: Decimal
    counts_requests: bool
    counts_limits: bool


def allowance(resource: Resource, constraints: Constraints) -> Allowance:
    """The intersection of all LimitRanges and quotas."""
    rules = constraints.limit_ranges
    return Allowance(
        container=_range(resource, [rule for rule in rules if rule.applies_to == CONTAINER]),
        pod=_range(resource, [rule for rule in rules if rule.applies_to == POD]),
        # If each container obeys a Pod's ratio, so does the sum.
        max_limit_request_ratio=_smallest(rule.max_limit_request_ratio.get(resource) for rule in rules),
        counts_requests=constraints.count_requests(resource),
        counts_limits=constraints.count_limits(resource),
    )


def _range(resource: Resource, rules: Sequence[LimitRangeRule]) -> AmountRange:
    return AmountRange(
        _largest(rule.minimum.get(resource) for rule in rules),
        _smallest(rule.maximum.get(resource) for rule in rules),
    )


def _largest(bounds: Iterable[Decimal | None]) -> Decimal:
    return max((bound for bound in bounds if bound is not None), default=_NOTHING)


def _smallest(bounds: Iterable[Decimal | None]) -> Decimal:
    return min((bound for bound in bounds if bound is not None), default=_EVERYTHING)


def own_range(needs: ContainerNeeds, container: str) -> AmountRange:
    """The amounts that annotations allow for *container*."""
    own = needs.bounds.get(container)
    if own is None:
        return _ANY
    return AmountRange(
        own.minimum.amount if own.minimum else _NOTHING, own.maximum.amount if own.maximum else _EVERYTHING
    )


def wanted_range(bounds: RequestBounds, needs: ContainerNeeds, container: str) -> AmountRange:
    """The amounts within the bounds of annotations, which replace those of the settings."""
    own = needs.bounds.get(container)
    lower = own.minimum.amount if own and own.minimum else bounds.floor
    upper = own.maximum.amount if own and own.maximum else bounds.ceiling
    if lower <= upper or own is None:
        return AmountRange(lower, upper)
    return AmountRange(upper, upper) if own.maximum else AmountRange(lower, lower)


@dataclass(frozen=True, slots=True)
class ContainerSizer:
    """Sizes the containers of a Pod in one resource."""

    resource: Resource
    allowance: Allowance
    bounds: RequestBounds
    deadband: Decimal

    def size(self, pod: PodAmounts, needs: ContainerNeeds) -> PodAmounts:
        """The Pod with new requests, and new limits if the policy sets limits.

        A container without a need or without an allowed amount stays unchanged.
        """
        targets = {
            _place(container): self._target(container, needs)
            for container in pod
            if container.is_long_running and container.name in needs.containers
        }
        shares = self._shares(pod, {place: target for place, target in targets.items() if target})
        return tuple(
            self._resize(
                container,
                targets[_place(container)],
                shares[_place(container)],
                own_range(needs, container.name),
            )
            if _place(container) in shares
            else container
            for container in pod
        )

    def _target(self, container: ContainerAmounts, needs: ContainerNeeds) -> Decimal:
        """The need within the bounds that do not depend on other containers or on the present request."""
        wanted = wanted_range(self.bounds, needs, container.name)
        return self._fixed_range(container).nearest(wanted.nearest(needs.containers[container.name]))

    def _fixed_range(self, container: ContainerAmounts) -> AmountRange:
        if self.bounds.limit_ratio or container.limit is None:
            return self.allowance.container
        least = container.limit / self.allowance.max_limit_request_ratio
        return self.allowance.container & AmountRange(least, container.limit)

    def _shares(self, pod: PodAmounts, targets: Mapping[_Place, Decimal]) -> dict[_Place, AmountRange]:
        """The Pod's allowance minus the amounts of other containers, split in proportion to *targets*."""
        others = [
            container for container in pod if container.is_long_running and _place(container) not in targets
        ]
        requested = sum((other.request or _NOTHING for other in others), _NOTHING)
        at_most = sum((max(other.request or _NOTHING, other.limit or _NOTHING) for other in others), _NOTHING)
        least = max(self.allowance.pod.lower - requested, _NOTHING)
        most = max(self.allowance.pod.upper - at_most, _NOTHING)
        total = sum(targets.values(), _NOTHING)
        return {
            place: AmountRange(least * target / total, most * target / total)
            for place, target in targets.items()
        }

    def _resize(
        self, container: ContainerAmounts, target: Decimal, share: AmountRange, own: AmountRange
    ) -> ContainerAmounts:
        request = self._request(container, target, share, own)
        if request is None:
            return container
        if not self.bounds.limit_ratio or (container.limit is None and self.allowance.counts_limits):
            return replace(container, request=request)
        limit = self._limit(container, request, target, share.upper)
        return container if limit is None else replace(container, request=request, limit=limit)

    def _request(
        self, container: ContainerAmounts, target: Decimal, share: AmountRange, own: AmountRange
    ) -> Decimal | None:
        allowed = self._fixed_range(container) & share
        if self.allowance.counts_requests:
            allowed &= AmountRange(_NOTHING, container.request or _NOTHING)
        if self.allowance.counts_limits and container.limit is not None:
            allowed &= AmountRange(_NOTHING, container.limit)
        return self._choose(container.request, target, allowed, own)

    def _limit(
        self, container: ContainerAmounts, request: Decimal, target: Decimal, upper: Decimal
    ) -> Decimal | None:
        """The limit beside *request*: a multiple of it, and at least *target* where that is allowed.

        A request may stay a little below its target, and the limit may not: above it a container is killed.
        """
        ratio = self.allowance.max_limit_request_ratio
        allowed = self.allowance.container & AmountRange(request, min(request * ratio, upper))
        if self.allowance.counts_limits and container.limit is not None:
            allowed &= AmountRange(_NOTHING, container.limit)
        allowed &= AmountRange(min(target, floor_to_unit(self.resource, allowed.upper)), _EVERYTHING)
        return self._choose(container.limit, request * self.bounds.limit_ratio, allowed, _ANY)

    def _choose(
        self, present: Decimal | None, target: Decimal, allowed: AmountRange, own: AmountRange
    ) -> Decimal | None:
        """The amount to set: *present* if it is within the deadband; None if no amount is allowed.

        No amount is outside of the workload's *own* bounds unless the others allow no other one.
        """
        nearest = allowed.nearest(target)
        upper = min(allowed.upper, own.upper) if nearest <= own.upper else allowed.upper
        amount = min(round_up(self.resource, nearest), floor_to_unit(self.resource, upper))
        if not amount or amount not in allowed:
            return None
        is_within = present and present in allowed and (present in own or amount not in own)
        if present and is_within and abs(present - amount) <= self.deadband * amount:
            return present
        return amount


def _place(container: ContainerAmounts) -> _Place:
    return (container.group, container.index)

"""What each container is to ask for of one resource: its need, within all that bounds it.

A Pod that was sized once is not sized again: no bound depends on what is set here, except that a quota lets
amounts only fall.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, last_unit, rounded_up
from app.rightsizing.constraints import CONTAINER, POD, Constraints, LimitRangeRule
from app.rightsizing.policy import RequestBounds

_NOTHING, _EVERYTHING = Decimal(0), Decimal("Infinity")
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class AmountRange:
    """Amounts from `lower` to `upper`; empty where those have changed places."""

    lower: Decimal
    upper: Decimal

    def __contains__(self, amount: Decimal) -> bool:
        return self.lower <= amount <= self.upper

    def __and__(self, other: "AmountRange") -> "AmountRange":
        return AmountRange(max(self.lower, other.lower), min(self.upper, other.upper))

    def nearest(self, amount: Decimal) -> Decimal:
        """The amount in the range that is nearest."""
        return min(max(amount, self.lower), self.upper)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a namespace allows of one resource: to a container, and to a Pod's containers together."""

    container: AmountRange
    pod: AmountRange
    max_limit_request_ratio: Decimal
    counts_requests: bool
    counts_limits: bool


def allowance(resource: Resource, constraints: Constraints) -> Allowance:
    """What remains of all LimitRanges and quotas together."""
    rules = constraints.limit_ranges
    return Allowance(
        container=_allowed(resource, [rule for rule in rules if rule.of == CONTAINER]),
        pod=_allowed(resource, [rule for rule in rules if rule.of == POD]),
        # A Pod whose containers each keep to the ratio keeps to it as a whole.
        max_limit_request_ratio=_least(rule.max_limit_request_ratio.get(resource) for rule in rules),
        counts_requests=constraints.count_requests(resource),
        counts_limits=constraints.count_limits(resource),
    )


def _allowed(resource: Resource, rules: Sequence[LimitRangeRule]) -> AmountRange:
    return AmountRange(
        _most(rule.minimum.get(resource) for rule in rules),
        _least(rule.maximum.get(resource) for rule in rules),
    )


def _most(bounds: Iterable[Decimal | None]) -> Decimal:
    return max((bound for bound in bounds if bound is not None), default=_NOTHING)


def _least(bounds: Iterable[Decimal | None]) -> Decimal:
    return min((bound for bound in bounds if bound is not None), default=_EVERYTHING)


@dataclass(frozen=True, slots=True)
class ContainerSizer:
    """Sizes the containers of a Pod in one resource."""

    resource: Resource
    allowance: Allowance
    bounds: RequestBounds
    deadband: Decimal

    def sized(self, pod: PodAmounts, needs: Mapping[str, Decimal]) -> PodAmounts:
        """The Pod with new requests, and limits where the policy sets them.

        A container without need, or for which no amount is allowed, is as it was.
        """
        wanted = {
            _place(each): self._wanted(each, needs[each.name])
            for each in pod
            if each.stays and each.name in needs
        }
        shares = self._shares(pod, {place: amount for place, amount in wanted.items() if amount})
        return tuple(
            self._resized(each, wanted[_place(each)], shares[_place(each)])
            if _place(each) in shares
            else each
            for each in pod
        )

    def _wanted(self, container: ContainerAmounts, need: Decimal) -> Decimal:
        """The need within the bounds that stay the same whatever is set."""
        soft = min(max(need, self.bounds.floor), self.bounds.ceiling)
        return self._lasting(container).nearest(soft)

    def _lasting(self, container: ContainerAmounts) -> AmountRange:
        if self.bounds.limit_ratio or container.limit is None:
            return self.allowance.container
        least = container.limit / self.allowance.max_limit_request_ratio
        return self.allowance.container & AmountRange(least, container.limit)

    def _shares(self, pod: PodAmounts, wanted: Mapping[_Place, Decimal]) -> dict[_Place, AmountRange]:
        """What each container may get, in proportion to what it wants, of what the Pod is allowed."""
        others = [each for each in pod if each.stays and _place(each) not in wanted]
        requested = sum((each.request or _NOTHING for each in others), _NOTHING)
        at_most = sum((max(each.request or _NOTHING, each.limit or _NOTHING) for each in others), _NOTHING)
        least = max(self.allowance.pod.lower - requested, _NOTHING)
        most = max(self.allowance.pod.upper - at_most, _NOTHING)
        total = sum(wanted.values(), _NOTHING)
        return {
            place: AmountRange(least * each / total, most * each / total) for place, each in wanted.items()
        }

    def _resized(self, container: ContainerAmounts, wanted: Decimal, share: AmountRange) -> ContainerAmounts:
        request = self._request(container, wanted, share)
        if request is None:
            return container
        if not self.bounds.limit_ratio or (container.limit is None and self.allowance.counts_limits):
            return replace(container, request=request)
        limit = self._limit(container, request, share.upper)
        return container if limit is None else replace(container, request=request, limit=limit)

    def _request(self, container: ContainerAmounts, wanted: Decimal, share: AmountRange) -> Decimal | None:
        allowed = self._lasting(container) & share
        if self.allowance.counts_requests:
            allowed &= AmountRange(_NOTHING, container.request or _NOTHING)
        if self.allowance.counts_limits and container.limit is not None:
            allowed &= AmountRange(_NOTHING, container.limit)
        return self._settled(container.request, wanted, allowed)

    def _limit(self, container: ContainerAmounts, request: Decimal, share: Decimal) -> Decimal | None:
        ratio = self.allowance.max_limit_request_ratio
        allowed = self.allowance.container & AmountRange(request, min(request * ratio, share))
        if self.allowance.counts_limits and container.limit is not None:
            allowed &= AmountRange(_NOTHING, container.limit)
        return self._settled(container.limit, request * self.bounds.limit_ratio, allowed)

    def _settled(self, present: Decimal | None, wanted: Decimal, allowed: AmountRange) -> Decimal | None:
        """The amount to set, which is *present* where that is near enough; None where none is allowed."""
        rounded = rounded_up(self.resource, allowed.nearest(wanted))
        target = min(rounded, last_unit(self.resource, allowed.upper))
        if not target or target not in allowed:
            return None
        if present and present in allowed and abs(present - target) <= self.deadband * target:
            return present
        return target


def _place(container: ContainerAmounts) -> _Place:
    return (container.group, container.index)

"""Checks of a Pod's requests and limits that the API server makes: a restatement of its rules.

A LimitRange's rules for Pods are checked with both ways in which API servers sum containers. Older servers
have no sidecars, and sum an amount only if every container sets it.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from itertools import chain

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, ceil_to_unit
from app.rightsizing.constraints import CONTAINER, Constraints, LimitRangeRule
from app.rightsizing.pod_spec import CONTAINERS, INIT_CONTAINERS

Violation = tuple[str, ...]
_Amount = Callable[[ContainerAmounts], Decimal | None]
_ZERO = Decimal(0)
_MAX_MILLI_VALUE = (2**63 - 1) // 1000  # above it the server compares whole numbers


class QualityOfService(Enum):
    """The quality of service class of a Pod, which follows from its requests and limits."""

    BEST_EFFORT = "BestEffort"
    BURSTABLE = "Burstable"
    GUARANTEED = "Guaranteed"


def quality_of_service(pod: Mapping[Resource, PodAmounts]) -> QualityOfService:
    """The class of a Pod without Pod-level resources; an amount of zero counts as absent."""
    requests, limits = (
        {resource: sum(filter(None, map(amount, containers))) for resource, containers in pod.items()}
        for amount in (_request, _limit)
    )
    if not any((*requests.values(), *limits.values())):
        return QualityOfService.BEST_EFFORT
    is_limited = all(container.limit for containers in pod.values() for container in containers)
    return QualityOfService.GUARANTEED if is_limited and requests == limits else QualityOfService.BURSTABLE


def violations(resource: Resource, pod: PodAmounts, constraints: Constraints) -> frozenset[Violation]:
    """The rules that *pod* violates with its amounts of *resource*; each violation has a unique tuple."""
    return frozenset(
        chain(
            _requests_above_limits(pod),
            _missing_for_quotas(resource, pod, constraints),
            *(
                _limit_range_violations(rule, resource, pod, f"LimitRange rule {number}")
                for number, rule in enumerate(constraints.limit_ranges)
            ),
        )
    )


def _requests_above_limits(pod: PodAmounts) -> Iterator[Violation]:
    for container in pod:
        request, limit = container.request, container.limit
        if request is not None and limit is not None and request > limit:
            yield ("request above limit", container.group, str(container.index))


def _missing_for_quotas(resource: Resource, pod: PodAmounts, constraints: Constraints) -> Iterator[Violation]:
    for container in pod:
        if container.request is None and constraints.count_requests(resource):
            yield ("no request, which a quota counts", container.group, str(container.index))
        if container.limit is None and constraints.count_limits(resource):
            yield ("no limit, which a quota counts", container.group, str(container.index))


def _limit_range_violations(
    rule: LimitRangeRule, resource: Resource, pod: PodAmounts, rule_name: str
) -> Iterator[Violation]:
    if rule.applies_to == CONTAINER:
        for container in pod:
            for fault in _faults(rule, resource, container.request, container.limit):
                yield (rule_name, fault, container.group, str(container.index))
        return
    for server, total in (("older", _older_sum), ("newer", _newer_sum)):
        sums = (total(resource, pod, amount) for amount in (_request, _limit))
        for fault in _faults(rule, resource, *sums):
            yield (rule_name, fault, server)


def _request(container: ContainerAmounts) -> Decimal | None:
    return container.request


def _limit(container: ContainerAmounts) -> Decimal | None:
    return container.limit


def _older_sum(resource: Resource, pod: PodAmounts, amount: _Amount) -> Decimal | None:
    """The sum over the containers if each sets an amount, or the largest init container if that is more."""
    amounts = [amount(container) for container in pod if container.group == CONTAINERS]
    present = [ceil_to_unit(resource, value) for value in amounts if value is not None]
    init_amounts = [amount(container) for container in pod if container.group == INIT_CONTAINERS]
    return _largest([sum(present, _ZERO) if len(present) == len(amounts) else None, *init_amounts])


def _newer_sum(_: Resource, pod: PodAmounts, amount: _Amount) -> Decimal | None:
    """The sum over containers and sidecars, or the peak during initialization if that is more."""
    sidecars: list[Decimal | None] = []
    init_sums: list[Decimal | None] = []
    for container in pod:
        if container.group == INIT_CONTAINERS:
            init_sums.append(_total([*sidecars, amount(container)]))
            sidecars += [amount(container)] if container.is_long_running else []
    containers = (amount(container) for container in pod if container.group == CONTAINERS)
    return _largest([*init_sums, _total([*sidecars, *containers])])


def _total(amounts: list[Decimal | None]) -> Decimal | None:
    present = [amount for amount in amounts if amount is not None]
    return sum(present, _ZERO) if present else None


def _largest(amounts: list[Decimal | None]) -> Decimal | None:
    return max((amount for amount in amounts if amount is not None), default=None)


def _faults(
    rule: LimitRangeRule, resource: Resource, request: Decimal | None, limit: Decimal | None
) -> Iterator[str]:
    minimum, maximum = rule.minimum.get(resource), rule.maximum.get(resource)
    ratio = rule.max_limit_request_ratio.get(resource)
    if minimum is not None:
        request_units, limit_units, least = _comparable(request, limit, minimum)
        if request is None or request_units < least:
            yield "request below minimum"
        if limit is not None and limit_units < least:
            yield "limit below minimum"
    if maximum is not None:
        request_units, limit_units, most = _comparable(request, limit, maximum)
        if limit is None or limit_units > most:
            yield "limit above maximum"
        if request is not None and request_units > most:
            yield "request above maximum"
    if ratio is not None and _exceeds(ratio, *_comparable(request, limit, ratio)[:2]):
        yield "limit too many times the request"


def _comparable(*amounts: Decimal | None) -> list[int]:
    """The amounts in thousandths, or in whole units if one is too large for that; both rounded up."""
    whole = [_ceiling(amount or _ZERO) for amount in amounts]
    if max(whole) > _MAX_MILLI_VALUE:
        return whole
    return [_ceiling((amount or _ZERO) * 1000) for amount in amounts]


def _exceeds(ratio: Decimal, request_units: int, limit_units: int) -> bool:
    """True if the limit is more than *ratio* requests, or either is 0; in floats, as the server compares."""
    if not request_units or not limit_units:
        return True
    observed = float(limit_units) / float(request_units)
    if _ceiling(ratio) > _MAX_MILLI_VALUE:
        return observed > float(_ceiling(ratio))
    return observed * 1000 > float(_ceiling(ratio * 1000))


def _ceiling(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))

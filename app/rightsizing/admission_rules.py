"""What the API server checks of a Pod's requests and limits, restated: which of its rules a Pod breaks.

A LimitRange's rules for Pods are judged by both sums over containers that servers have made: older ones know
no init containers that stay, and sum only what every container names.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from itertools import chain

from app.domain.profiles import Resource
from app.rightsizing.amounts import ContainerAmounts, PodAmounts, next_unit
from app.rightsizing.constraints import CONTAINER, Constraints, LimitRangeRule
from app.rightsizing.pods import CONTAINERS, INIT_CONTAINERS

Fact = tuple[str, ...]
_Amount = Callable[[ContainerAmounts], Decimal | None]
_ZERO = Decimal(0)
_MAX_MILLI_VALUE = (2**63 - 1) // 1000  # beyond it the server compares without fractions


class QualityOfService(Enum):
    """The class that Kubernetes gives a Pod by its requests and limits."""

    BEST_EFFORT = "BestEffort"
    BURSTABLE = "Burstable"
    GUARANTEED = "Guaranteed"


def quality_of_service(pod: Mapping[Resource, PodAmounts]) -> QualityOfService:
    """The class of a Pod without resources of its own; an amount of zero counts as none."""
    requests, limits = (
        {resource: sum(filter(None, map(amount, containers))) for resource, containers in pod.items()}
        for amount in (_request, _limit)
    )
    if not any((*requests.values(), *limits.values())):
        return QualityOfService.BEST_EFFORT
    is_limited = all(container.limit for containers in pod.values() for container in containers)
    return QualityOfService.GUARANTEED if is_limited and requests == limits else QualityOfService.BURSTABLE


def violations(resource: Resource, pod: PodAmounts, constraints: Constraints) -> frozenset[Fact]:
    """The rules that *pod* breaks with its amounts of *resource*, in words that tell them apart."""
    return frozenset(
        chain(
            _inconsistent(pod),
            _missing_for_quotas(resource, pod, constraints),
            *(
                _against(rule, resource, pod, f"LimitRange rule {number}")
                for number, rule in enumerate(constraints.limit_ranges)
            ),
        )
    )


def _inconsistent(pod: PodAmounts) -> Iterator[Fact]:
    for each in pod:
        if each.request is not None and each.limit is not None and each.request > each.limit:
            yield ("request above limit", each.group, str(each.index))


def _missing_for_quotas(resource: Resource, pod: PodAmounts, constraints: Constraints) -> Iterator[Fact]:
    for each in pod:
        if each.request is None and constraints.count_requests(resource):
            yield ("no request, which a quota counts", each.group, str(each.index))
        if each.limit is None and constraints.count_limits(resource):
            yield ("no limit, which a quota counts", each.group, str(each.index))


def _against(rule: LimitRangeRule, resource: Resource, pod: PodAmounts, rule_name: str) -> Iterator[Fact]:
    if rule.of == CONTAINER:
        for each in pod:
            for fault in _faults(rule, resource, each.request, each.limit):
                yield (rule_name, fault, each.group, str(each.index))
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
    """The sum over the containers where each names an amount; at least that of any init container."""
    together = [amount(each) for each in pod if each.group == CONTAINERS]
    known = [next_unit(resource, each) for each in together if each is not None]
    before = [amount(each) for each in pod if each.group == INIT_CONTAINERS]
    return _largest([sum(known, _ZERO) if len(known) == len(together) else None, *before])


def _newer_sum(_: Resource, pod: PodAmounts, amount: _Amount) -> Decimal | None:
    """The sum over the containers that stay; at least that of any moment before all of them run."""
    started: list[Decimal | None] = []
    moments: list[Decimal | None] = []
    for each in pod:
        if each.group == INIT_CONTAINERS:
            moments.append(_total([*started, amount(each)]))
            started += [amount(each)] if each.stays else []
    containers = (amount(each) for each in pod if each.group == CONTAINERS)
    return _largest([*moments, _total([*started, *containers])])


def _total(amounts: list[Decimal | None]) -> Decimal | None:
    known = [each for each in amounts if each is not None]
    return sum(known, _ZERO) if known else None


def _largest(amounts: list[Decimal | None]) -> Decimal | None:
    return max((each for each in amounts if each is not None), default=None)


def _faults(
    rule: LimitRangeRule, resource: Resource, request: Decimal | None, limit: Decimal | None
) -> Iterator[str]:
    minimum, maximum = rule.minimum.get(resource), rule.maximum.get(resource)
    ratio = rule.max_limit_request_ratio.get(resource)
    if minimum is not None:
        asked, limited, least = _comparable(request, limit, minimum)
        if request is None or asked < least:
            yield "request below minimum"
        if limit is not None and limited < least:
            yield "limit below minimum"
    if maximum is not None:
        asked, limited, most = _comparable(request, limit, maximum)
        if limit is None or limited > most:
            yield "limit above maximum"
        if request is not None and asked > most:
            yield "request above maximum"
    if ratio is not None and _exceeds(ratio, *_comparable(request, limit, ratio)[:2]):
        yield "limit too many times the request"


def _comparable(*amounts: Decimal | None) -> list[int]:
    """In whole thousandths, or in whole numbers where one of them would be too large; both rounded up."""
    whole = [_ceiling(amount or _ZERO) for amount in amounts]
    if max(whole) > _MAX_MILLI_VALUE:
        return whole
    return [_ceiling((amount or _ZERO) * 1000) for amount in amounts]


def _exceeds(ratio: Decimal, asked: int, limited: int) -> bool:
    """True also where one is nothing; compared as binary fractions, as the server does."""
    if not asked or not limited:
        return True
    observed = float(limited) / float(asked)
    if _ceiling(ratio) > _MAX_MILLI_VALUE:
        return observed > float(_ceiling(ratio))
    return observed * 1000 > float(_ceiling(ratio * 1000))


def _ceiling(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))

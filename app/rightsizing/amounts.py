"""Requests and limits of a Pod's containers in one resource, as exact numbers: cores or bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.rightsizing.pod_spec import PodResources

_MEBIBYTE = 1024**2
_LARGEST = Decimal(2**63 - 1)  # the largest amount that the API server accepts
# The smallest amount that the API can express, and the multiples in which this package sets amounts.
_UNIT = {Resource.CPU: Decimal("0.001"), Resource.MEMORY: Decimal(1)}
_STEP = {Resource.CPU: Decimal("0.001"), Resource.MEMORY: Decimal(_MEBIBYTE)}


@dataclass(frozen=True, slots=True)
class ContainerAmounts:
    """The request and limit of one container; None if not set.

    A limit without a request is also the request, since the API server sets that default before any check.
    `group` and `index` are the container's place in the Pod's spec.
    """

    group: str
    index: int
    name: str
    is_long_running: bool
    request: Decimal | None
    limit: Decimal | None


PodAmounts = tuple[ContainerAmounts, ...]


def read_amounts(pod: PodResources, resource: Resource) -> PodAmounts:
    """The amounts of *resource* of all containers of *pod*.

    Raises:
        ValueError: a quantity can't be parsed, is negative, or is larger than the API server accepts.
    """
    amounts: list[ContainerAmounts] = []
    for group, containers in pod.groups.items():
        for index, container in enumerate(containers):
            limit = _amount(container.limits, resource)
            written = _amount(container.requests, resource)
            request = limit if written is None else written
            amounts.append(
                ContainerAmounts(group, index, container.name, container.is_long_running, request, limit)
            )
    return tuple(amounts)


def _amount(quantities: Mapping[str, str], resource: Resource) -> Decimal | None:
    text = quantities.get(resource.value)
    if text is None:
        return None
    try:
        amount = parse_quantity(text)
    except ArithmeticError as error:
        raise ValueError(f"{text[:80]!r} is out of range") from error
    if not 0 <= amount <= _LARGEST:
        raise ValueError(f"{text[:80]!r} is not a valid amount of a resource")
    return amount


def round_up(resource: Resource, amount: Decimal) -> Decimal:
    """*amount* rounded up to a whole milli-core or MiB, in which this package sets amounts."""
    return _round(amount, _STEP[resource], ROUND_CEILING)


def ceil_to_unit(resource: Resource, amount: Decimal) -> Decimal:
    """*amount* rounded up to a whole milli-core or byte."""
    return _round(amount, _UNIT[resource], ROUND_CEILING)


def floor_to_unit(resource: Resource, amount: Decimal) -> Decimal:
    """*amount* rounded down to a whole milli-core or byte."""
    return _round(amount, _UNIT[resource], ROUND_FLOOR)


def _round(amount: Decimal, unit: Decimal, rounding: str) -> Decimal:
    return (amount / unit).to_integral_value(rounding) * unit


def format_amount(resource: Resource, amount: Decimal) -> str:
    """A Kubernetes quantity: `"250m"`, `"64Mi"`, or `"1000"` bytes if not a whole number of MiB."""
    units = int(ceil_to_unit(resource, amount) / _UNIT[resource])
    if resource is Resource.CPU:
        return f"{units}m"
    return str(units) if units % _MEBIBYTE else f"{units // _MEBIBYTE}Mi"

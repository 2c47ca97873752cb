"""What the containers of a Pod ask for of one resource, as exact numbers: cores or bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.rightsizing.pods import PodResources

_MEBIBYTE = 1024**2
_LARGEST = Decimal(2**63 - 1)  # the API server knows no larger amount
# The least amount that can be written, and the multiples of it that are preferred.
_UNIT = {Resource.CPU: Decimal("0.001"), Resource.MEMORY: Decimal(1)}
_STEP = {Resource.CPU: Decimal("0.001"), Resource.MEMORY: Decimal(_MEBIBYTE)}


@dataclass(frozen=True, slots=True)
class ContainerAmounts:
    """What one container asks for; None where it does not say.

    A limit alone is a request of as much, too: the API server writes that before it looks at anything else.
    `group` and `index` are its place in the Pod's spec.
    """

    group: str
    index: int
    name: str
    stays: bool
    request: Decimal | None
    limit: Decimal | None


PodAmounts = tuple[ContainerAmounts, ...]


def read_amounts(pod: PodResources, resource: Resource) -> PodAmounts:
    """What all containers of *pod* ask for of *resource*.

    Raises:
        ValueError: a quantity is none, is negative, or is larger than any that the API server knows.
    """
    found: list[ContainerAmounts] = []
    for group, containers in pod.groups.items():
        for index, container in enumerate(containers):
            limit = _amount(container.limits, resource)
            request = _amount(container.requests, resource)
            asked = limit if request is None else request
            found.append(ContainerAmounts(group, index, container.name, container.stays, asked, limit))
    return tuple(found)


def _amount(quantities: Mapping[str, str], resource: Resource) -> Decimal | None:
    text = quantities.get(resource.value)
    if text is None:
        return None
    try:
        amount = parse_quantity(text)
    except ArithmeticError as error:
        raise ValueError(f"{text[:80]!r} is beyond all numbers") from error
    if not 0 <= amount <= _LARGEST:
        raise ValueError(f"{text[:80]!r} is no amount of a resource")
    return amount


def rounded_up(resource: Resource, amount: Decimal) -> Decimal:
    """The next whole milli-core or MiB, the form in which amounts are preferred."""
    return _rounded(amount, _STEP[resource], ROUND_CEILING)


def next_unit(resource: Resource, amount: Decimal) -> Decimal:
    """The next whole milli-core or byte."""
    return _rounded(amount, _UNIT[resource], ROUND_CEILING)


def last_unit(resource: Resource, amount: Decimal) -> Decimal:
    """The whole milli-core or byte that is not above *amount*."""
    return _rounded(amount, _UNIT[resource], ROUND_FLOOR)


def _rounded(amount: Decimal, unit: Decimal, rounding: str) -> Decimal:
    return (amount / unit).to_integral_value(rounding) * unit


def format_amount(resource: Resource, amount: Decimal) -> str:
    """A quantity of Kubernetes, `"250m"`, `"64Mi"`, or `"1000"` bytes where they are no whole MiB."""
    units = int(next_unit(resource, amount) / _UNIT[resource])
    if resource is Resource.CPU:
        return f"{units}m"
    return str(units) if units % _MEBIBYTE else f"{units // _MEBIBYTE}Mi"

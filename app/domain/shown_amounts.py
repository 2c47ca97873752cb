"""Amounts as people write them: `26m`, `347Mi`, `+1.25`; pure."""

from decimal import Decimal
from math import ceil

from app.domain.profiles import Resource
from app.domain.quantities import amount_in

_KIBI, _MEBI, _GIBI = 1024, 1024**2, 1024**3
Number = int | float | Decimal


def cores(amount: Number) -> str:
    """`26m`; from ten cores on `12.5`."""
    return f"{float(amount):.1f}" if amount >= 10 else f"{_ceiling(_exact(amount) * 1000)}m"


def size(amount_bytes: Number) -> str:
    """`347Mi`; from ten GiB on `12.5Gi`, and below a MiB `12Ki`."""
    if amount_bytes >= 10 * _GIBI:
        return f"{float(amount_bytes) / _GIBI:.1f}Gi"
    if amount_bytes >= _MEBI:
        return f"{_ceiling(_exact(amount_bytes) / _MEBI)}Mi"
    return f"{_ceiling(_exact(amount_bytes) / _KIBI)}Ki"


def amount(resource: Resource, value: Number) -> str:
    """An amount of *resource*."""
    return cores(value) if resource is Resource.CPU else size(value)


def need(resource: Resource, value: str) -> str:
    """The value in a profile; unchanged if it is no amount, since people can edit objects."""
    number = amount_in(value)
    return value if number is None else amount(resource, number)


def rate(per_second_bytes: Number) -> str:
    """`5.1kB`: bytes per second, in the units of networks."""
    value = float(per_second_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        text = f"{value:.0f}" if unit == "B" or value >= 99.95 else f"{value:.1f}"
        if float(text) < 1000:
            break
        value /= 1000
    return text + unit


def signed(value: Number, decimals: int = 2) -> str:
    """`+1.25`, `-0.50`, `0.00`."""
    text = f"{float(value):+.{decimals}f}"
    return text[1:] if not float(text) else text


def share(value: Number) -> str:
    """`12%`; `<1%` for less, so that what is small is not shown as nothing."""
    return "<1%" if 0 < value < 0.01 else f"{float(value):.0%}"


def _exact(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _ceiling(value: Decimal) -> int:
    """The next whole number, if it is more than a thousandth away: a need that is rounded still fits."""
    return max(ceil(value - Decimal("0.001")), 0)

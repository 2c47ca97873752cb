"""Number formats of the contract, and Kubernetes quantities.

Cores have three decimals and rates two; bytes and bytes per second are whole numbers.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil

from app.domain.profiles import Resource

# What a need is a number of, and what its resource is called in a sentence.
NEED_UNITS: Mapping[Resource, str] = {Resource.CPU: "cores", Resource.MEMORY: "bytes"}
RESOURCE_NAMES: Mapping[Resource, str] = {Resource.CPU: "CPU", Resource.MEMORY: "memory"}


def format_cores(cores: float) -> str:
    """Three decimals, `"0.020"`, rounded up so that the need fits; at least `"0.001"`.

    A hundredth of the last decimal or less is floating-point noise and is not rounded up.
    """
    return f"{max(ceil(cores * 1000 - 0.01), 1) / 1000:.3f}"


def format_bytes(amount_bytes: float) -> str:
    """A decimal integer, `"17106488"`; at least 1."""
    return str(max(round(amount_bytes), 1))


def format_need(resource: Resource, amount: float) -> str:
    """The amount of *resource* in the format of its profile."""
    return format_cores(amount) if resource is Resource.CPU else format_bytes(amount)


def format_per_minute(rate: float) -> str:
    """Two decimals, `"47.12"`."""
    return f"{rate:.2f}"


def format_per_second(rate_bytes: float) -> str:
    """A decimal integer, `"5120"`; `"0"` is a valid measurement."""
    return str(round(rate_bytes))


def format_share(share: float) -> str:
    """Two decimals in [0, 1]; rounded down, so that only a full share gives `"1.00"`."""
    return f"{int(min(max(share, 0.0), 1.0) * 100 + 1e-9) / 100:.2f}"


def format_risk(share: float) -> str:
    """Three decimals in [0, 1]; rounded up, so that the risk is never understated."""
    return f"{ceil(min(max(share, 0.0), 1.0) * 1000 - 1e-6) / 1000:.3f}"


_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?P<scale>[eE][+-]?[0-9]+|[A-Za-z]*)", re.ASCII
)
_SCALES = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)}
_SCALES |= {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)}
_SCALES |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}


def parse_quantity(text: str) -> Decimal:
    """The number in a Kubernetes quantity: `"100m"` is 0.1, `"64Mi"` is 67108864, `"1e3"` is 1000.

    Raises:
        ValueError: *text* is not a quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 100m or 64Mi")
    number, scale = match["number"], match["scale"]
    if scale in _SCALES:
        return Decimal(number) * _SCALES[scale]
    if scale[1:].lstrip("+-").isdigit():
        return Decimal(number + scale)
    raise ValueError(f"{text!r} is not a quantity: unknown unit {scale!r}")


def amount_in(value: object) -> Decimal | None:
    """The number in a quantity that people can edit; None if it is none, or one that no API server accepts.

    Those below zero, and from 2^63, are such numbers.
    """
    if not isinstance(value, str):
        return None
    try:
        amount = parse_quantity(value)
    except (ValueError, ArithmeticError):
        return None
    return amount if 0 <= amount < 2**63 else None


_BINARY_UNITS = (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024))
_DECIMAL_UNITS = (("G", 1000**3), ("M", 1000**2))


def format_quantity(resource: Resource, amount: Decimal) -> str:
    """The amount as people write it: `"26m"` or `"2"` cores, `"347Mi"`, `"2Gi"` or `"100M"` bytes."""
    if resource is Resource.CPU:
        millicores = ceil(amount * 1000)
        return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)
    whole = ceil(amount)
    for unit, size in (*_BINARY_UNITS, *_DECIMAL_UNITS):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return str(whole)


def need_quantity(resource: Resource, value: str) -> str:
    """The value of a profile as people write it, rounded up to a millicore or a MiB: `"26m"`, `"347Mi"`."""
    amount = Decimal(value)
    if resource is Resource.MEMORY:
        amount = Decimal(ceil(amount / 1024**2) * 1024**2)
    return format_quantity(resource, amount)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds, `"2026-03-01T12:00:00Z"`."""
    # isoformat takes a third of the time of strftime, and each profile has five times.
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime | None:
    """The time in *text*; None if it is not RFC 3339 (the original profiler wrote Go's own format)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

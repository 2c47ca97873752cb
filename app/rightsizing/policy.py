"""The user's policy: bounds of requests, deadband, and the minimum confidence of a profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource


@dataclass(frozen=True, slots=True)
class RequestBounds:
    """The smallest and largest request in cores or bytes; a `limit_ratio` of 0 leaves limits unchanged."""

    floor: Decimal
    ceiling: Decimal
    limit_ratio: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """The settings of resizing; a quantity within the relative `deadband` of its target stays unchanged."""

    min_confidence: float
    deadband: Decimal
    bounds: Mapping[Resource, RequestBounds]

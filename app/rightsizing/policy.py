"""What the user allows to be set: bounds of a request, and how sure a profile has to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource


@dataclass(frozen=True, slots=True)
class RequestBounds:
    """The least and the largest request, in cores or bytes; a ratio of 0 leaves limits alone."""

    floor: Decimal
    ceiling: Decimal
    limit_ratio: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class SchedulingPolicy:
    """`deadband` is the relative difference to its target up to which a quantity stays as it is."""

    min_confidence: float
    deadband: Decimal
    bounds: Mapping[Resource, RequestBounds]

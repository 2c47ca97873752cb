"""Target and bounds of one container in one resource, as exact numbers: cores or bytes.

The bounds are those of `recommendation.need_bounds`, from what a stored profile says of its containers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.profiles import Resource
from app.recommendation.need_bounds import LEAST_ROOM
from app.rightsizing.amounts import round_up

_LEAST_ROOM = Decimal(repr(LEAST_ROOM))
_LEAST_CONFIDENCE = 1 / Decimal(21)  # that of 0.05 days


@dataclass(frozen=True, slots=True)
class NeedAtRisks:
    """The need at the workload's risk, at low risk and at high risk."""

    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a request should be, and what it may be without any action."""

    target: Decimal
    lower: Decimal
    upper: Decimal


def amounts_for(resource: Resource, need: NeedAtRisks, confidence: float) -> Amounts:
    """Whole millicores or MiB, the lower bound not above the target and the upper one not below it.

    lower = min(value, need at high risk), upper = max(1.1 * value, need at low risk) * (1 + 1 / days seen).
    The confidence is hours / (hours + 24), so the last factor is 1 / confidence.
    """
    widest = max(_LEAST_ROOM * need.value, need.low) / max(Decimal(repr(confidence)), _LEAST_CONFIDENCE)
    target = round_up(resource, need.value)
    lower = round_up(resource, min(need.value, need.high))
    return Amounts(target, lower, max(target, round_up(resource, widest)))


def within(amounts: Amounts, cap: Callable[[Decimal], Decimal]) -> Amounts:
    """All amounts after *cap*."""
    return Amounts(cap(amounts.target), cap(amounts.lower), cap(amounts.upper))

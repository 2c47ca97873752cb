"""The constants of the choice, for each resource; the arithmetic takes them as an argument.

Each of them was set on some of the recorded sets of usage and judged on others:
docs/pages/internals/tuning.md names the sets, and shows how flat the result is around each constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.domain.profiles import Resource, RiskLevel
from app.recommendation.memory_cost import MaximumSpread


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """All constants of one resource; no container gets less than *floor* (cores or bytes).

    `price` is the only one that the risk level sets: what a core of overuse costs beside an idle core (CPU),
    and what a day above the value costs beside the largest recent maximum (memory).
    """

    price: float
    floor: float
    by_maximum: bool  # the risk is the chance that the day's maximum exceeds the value, not the time above it
    first_raise: float  # for a short past a value is raised by up to first_raise / (1 + days seen)^3
    min_saving: float = 0.04  # share of the new value's cost that it must save to replace the published one
    spread: MaximumSpread = field(default_factory=MaximumSpread)


PRICES: Mapping[Resource, Mapping[RiskLevel, float]] = {
    Resource.CPU: {RiskLevel.LOW: 100, RiskLevel.NORMAL: 34, RiskLevel.HIGH: 17},
    Resource.MEMORY: {RiskLevel.LOW: 14, RiskLevel.NORMAL: 6, RiskLevel.HIGH: 3},
}


def rules_at(risk: RiskLevel) -> Mapping[Resource, ResourceRule]:
    """The rule of each resource at the risk level *risk*."""
    return {resource: replace(rule, price=PRICES[resource][risk]) for resource, rule in _NORMAL.items()}


# CPU can be shared for a moment, so the risk is time above the value; memory can not, so the risk is in the
# day's maximum.
_NORMAL: Mapping[Resource, ResourceRule] = {
    Resource.CPU: ResourceRule(
        price=PRICES[Resource.CPU][RiskLevel.NORMAL],
        floor=0.001,
        by_maximum=False,
        first_raise=0.5,
    ),
    Resource.MEMORY: ResourceRule(
        price=PRICES[Resource.MEMORY][RiskLevel.NORMAL],
        floor=1e6,
        by_maximum=True,
        first_raise=3.0,
    ),
}

"""The constants of the choice, for each resource; the arithmetic takes them as an argument.

Levels, ranks and margins are round numbers. Half-life, echo, widths and prices were set on recorded usage
(docs/estimation.md names the trace, and shows how flat the result is around each constant).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.domain.profiles import Resource, RiskLevel

# The quantiles of a day's 5-minute samples that are used; the last one is the maximum.
LEVELS = (0.5, 0.75, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
P95 = LEVELS.index(0.95)
MAXIMUM = len(LEVELS) - 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """The *rank*-th largest of the days' quantiles at *level*, times *margin*."""

    rank: int
    level: float
    margin: float


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """All constants of one resource; no container gets less than *floor* (cores or bytes)."""

    levels: tuple[int, ...]  # indexes into LEVELS
    margins: tuple[float, ...]
    price: float  # slack traded for one unit of risk; the only tuning parameter
    floor: float
    by_maximum: bool  # the risk is the chance that the day's maximum exceeds the value, not the time above it
    ranks: tuple[int, ...] = (1, 2, 3, 5, 7)
    half_life_days: float = 2.0
    weekly_echo: float = 0.4  # additional weight of the same weekday of past weeks
    min_saving: float = 0.02  # cost that a new value must save to replace the published one
    # For little history a value is raised by first_margin / (1 + days seen / first_days)^2.
    first_margin: float = 1.0
    first_days: float = 1.0
    # The distribution of a day's maximum around that of a past day, in log units: Laplace of a width that is
    # width_factor times the mean deviation of the series' own days (and of one more day by prior_deviation),
    # at most max_width; with the share tail_share of width tail_width.
    width_factor: float = 0.7
    prior_deviation: float = 0.2
    max_width: float = 0.1
    tail_share: float = 0.1
    tail_width: float = 0.5

    @property
    def size(self) -> int:
        """Number of candidates."""
        return len(self.margins) * len(self.ranks) * len(self.levels)

    def candidate(self, number: int) -> Candidate:
        """The candidate with index *number*: margins outermost, then ranks, then levels."""
        rest, level = divmod(int(number), len(self.levels))
        margin, rank = divmod(rest, len(self.ranks))
        return Candidate(self.ranks[rank], LEVELS[self.levels[level]], self.margins[margin])


PRICES: Mapping[Resource, Mapping[RiskLevel, float]] = {
    Resource.CPU: {RiskLevel.LOW: 19.8, RiskLevel.NORMAL: 7.7, RiskLevel.HIGH: 5.0},
    Resource.MEMORY: {RiskLevel.LOW: 5.0, RiskLevel.NORMAL: 2.1, RiskLevel.HIGH: 1.5},
}


def rules_at(risk: RiskLevel) -> Mapping[Resource, ResourceRule]:
    """The rule of each resource at the risk level *risk*."""
    return {resource: replace(rule, price=PRICES[resource][risk]) for resource, rule in _NORMAL.items()}


# CPU can be shared for a moment, so the risk is time above the value; memory can not, so the risk is in the
# day's maximum.
_NORMAL: Mapping[Resource, ResourceRule] = {
    Resource.CPU: ResourceRule(
        levels=tuple(range(len(LEVELS))),
        margins=(1.0,),
        price=PRICES[Resource.CPU][RiskLevel.NORMAL],
        floor=0.001,
        by_maximum=False,
    ),
    Resource.MEMORY: ResourceRule(
        levels=(MAXIMUM,),
        margins=(1.0, 1.03, 1.06, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 1.8, 2.2),
        price=PRICES[Resource.MEMORY][RiskLevel.NORMAL],
        floor=1e6,
        by_maximum=True,
        min_saving=0.01,
        first_margin=3.0,
        first_days=0.6,
    ),
}

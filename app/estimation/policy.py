"""How a value is made of samples: small frozen values that the settings build and the arithmetic takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.profiles import Resource


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """The rule for one resource: the weighted *percentile* of all samples, times 1 + *margin*.

    No container gets less than *floor* (cores or bytes).
    """

    percentile: float
    margin: float
    half_life_days: float
    floor: float


# CPU can be shared for a moment, so a high percentile serves; memory can't, so its maximum does.
CPU = ResourcePolicy(percentile=0.95, margin=0.15, half_life_days=7.0, floor=0.001)
MEMORY = ResourcePolicy(percentile=1.0, margin=0.15, half_life_days=7.0, floor=1e6)


@dataclass(frozen=True, slots=True)
class EstimationPolicy:
    """The rules of all resources and what counts as enough data."""

    window_days: int = 14
    min_samples: int = 12
    resources: Mapping[Resource, ResourcePolicy] = field(
        default_factory=lambda: {Resource.CPU: CPU, Resource.MEMORY: MEMORY}
    )


def confidence(hours_seen: float) -> float:
    """A figure in [0, 1) that grows with the hours in which samples were seen: 24 h give 0.50, 7 days 0.87.

    It is the weight that a day of prior ignorance leaves to what was measured: hours / (hours + 24).
    """
    return hours_seen / (hours_seen + 24.0)

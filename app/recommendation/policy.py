"""How a value is made of samples: small frozen values that the settings build and the arithmetic takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.profiles import Pressure, RiskLevel


@dataclass(frozen=True, slots=True)
class PressurePolicy:
    """By which share a sign of need raises a container's value at most, and how fast that decays."""

    most: float
    half_life_days: float


# A raise that is less than this would be noise.
LEAST_RAISE = 0.01
RAISES: Mapping[Pressure, PressurePolicy] = {
    Pressure.CPU_THROTTLING: PressurePolicy(most=0.5, half_life_days=1.0),
    Pressure.OOM_KILLED: PressurePolicy(most=0.2, half_life_days=1.0),
}


@dataclass(frozen=True, slots=True)
class EstimationPolicy:
    """How far back is looked, what is enough data, what risk is taken, what signs of need count for."""

    window_days: int = 14
    min_samples: int = 12
    risk: RiskLevel = RiskLevel.NORMAL
    raises: Mapping[Pressure, PressurePolicy] = field(default_factory=lambda: RAISES)


def confidence(hours_seen: float) -> float:
    """A figure in [0, 1) that grows with the hours in which samples were seen: 24 h give 0.50, 7 days 0.87.

    It is the weight that a day of prior ignorance leaves to what was measured: hours / (hours + 24).
    """
    return hours_seen / (hours_seen + 24.0)

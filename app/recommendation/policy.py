"""Estimation policy: small frozen values, built from the settings and passed to the arithmetic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.domain.profiles import Pressure, RiskLevel
from app.domain.workloads import Workload

LEARNING_DAYS = 28  # closed days from which a value is chosen


@dataclass(frozen=True, slots=True)
class PressurePolicy:
    """The largest share by which pressure raises a container's value, and the half-life of the raise."""

    max_raise: float
    half_life_days: float


# Smaller raises are noise.
LEAST_RAISE = 0.01
RAISES: Mapping[Pressure, PressurePolicy] = {
    Pressure.CPU_THROTTLING: PressurePolicy(max_raise=0.5, half_life_days=1.0),
    Pressure.CPU_WAITING: PressurePolicy(max_raise=0.5, half_life_days=1.0),
    Pressure.OOM_KILLED: PressurePolicy(max_raise=0.2, half_life_days=1.0),
    Pressure.MEMORY_STALLED: PressurePolicy(max_raise=0.2, half_life_days=1.0),
}


@dataclass(frozen=True, slots=True)
class EstimationPolicy:
    """The window with today, the least number of samples, the risk level, and the raises by pressure.

    `risk_of` gives the level of each workload, if not all have the same one.
    """

    window_days: int = LEARNING_DAYS + 1
    min_samples: int = 12
    risk: RiskLevel = RiskLevel.NORMAL
    raises: Mapping[Pressure, PressurePolicy] = field(default_factory=lambda: RAISES)
    risk_of: Callable[[Workload], RiskLevel] | None = None


def confidence(hours_seen: float) -> float:
    """The confidence in [0, 1) for *hours_seen* hours with samples: 24 h give 0.50, 7 days 0.87.

    It is the weight of the measured hours beside a prior with the weight of one day: hours / (hours + 24).
    """
    return hours_seen / (hours_seen + 24.0)

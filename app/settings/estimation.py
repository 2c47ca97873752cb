"""History, values and lifetime of the profiles."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from app.domain.profiles import RiskLevel
from app.settings.types import Quantity


class EstimationSettings(BaseModel):
    """The history that profiles are estimated from, the accepted risk, and the lifetime of profiles."""

    history_days: int = Field(
        7, ge=1, le=28, description="Days of history that the first profiling cycles read"
    )
    timeslots: int = Field(
        4,
        ge=1,
        le=24,
        description="Equal parts of the UTC day for which a profile also reports needs; a divisor of 24",
    )
    min_samples: int = Field(12, ge=1, description="5-minute samples that a workload needs for a profile")
    risk: RiskLevel = Field(
        RiskLevel.NORMAL,
        description="Risk that usage exceeds a value: low (more headroom, higher requests), normal or high"
        " (less)",
    )
    max_profiles: int = Field(
        50_000,
        ge=1,
        description="Maximum number of stored profiles; beyond it namespaces take turns, CPU and memory"
        " first",
    )
    max_edges: int = Field(
        30_000,
        ge=1,
        description="Maximum number of connections in the profiler's memory; beyond it namespaces take turns",
    )
    max_history_size: Quantity = Field(
        "512Mi",
        description="Memory for the usage of all workloads; beyond it namespaces take turns, and what they"
        " have had for longest stays",
    )
    max_cpu_need: Quantity = Field(
        "256",
        description="CPU above which usage of a container or a need is no measurement: it is left out, and"
        " named in the status report",
    )
    max_memory_need: Quantity = Field(
        "6Ti",
        description="Memory above which usage of a container or a need is no measurement, like MAX_CPU_NEED",
    )
    stale_after_days: float = Field(
        2, ge=1, le=365, description="Days without new samples after which a profile is marked Stale"
    )
    expire_after_days: float = Field(
        30, ge=1, le=3650, description="Days without new samples after which a profile is removed"
    )

    @field_validator("timeslots")
    @classmethod
    def _check_slots_divide_day(cls, slots: int) -> int:
        if 24 % slots:
            raise ValueError(f"{slots} does not divide 24: use 1, 2, 3, 4, 6, 8, 12 or 24")
        return slots

    @field_validator("expire_after_days")
    @classmethod
    def _check_stale_before_expired(cls, days: float, info: ValidationInfo) -> float:
        stale = info.data.get("stale_after_days", 0)
        if days < stale:
            raise ValueError(f"must not be less than STALE_AFTER_DAYS, which is {stale:g}")
        return days

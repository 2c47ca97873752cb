"""Requests and limits that the webhook sets from profiles."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from app.domain.quantities import parse_quantity
from app.settings.types import LimitRatio, OperatingMode, Quantity


class SchedulingSettings(BaseModel):
    """The operating mode that sets requests, and the bounds of requests and limits."""

    operating_mode: OperatingMode = Field(
        OperatingMode.PROFILING,
        description="PROFILING annotates Pods; PROFILING_SCHEDULING also sets requests of Pods that opt in",
    )
    scheduling_min_confidence: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Minimum confidence (0 to below 1) for setting a request; 24 h of samples give 0.5",
    )
    scheduling_deadband: float = Field(
        0.15,
        ge=0,
        le=10,
        description="A request is kept if it differs from the new one by at most this fraction of the new one"
        " (0.15 = 15 %)",
    )
    scheduling_cpu_floor: Quantity = Field(
        "20m", description="Smallest CPU request that is set, as a Kubernetes quantity"
    )
    scheduling_cpu_ceiling: Quantity = Field(
        "16", description="Largest CPU request that is set, as a Kubernetes quantity"
    )
    scheduling_memory_floor: Quantity = Field(
        "32Mi", description="Smallest memory request that is set, as a Kubernetes quantity"
    )
    scheduling_memory_ceiling: Quantity = Field(
        "64Gi", description="Largest memory request that is set, as a Kubernetes quantity"
    )
    scheduling_cpu_limit_ratio: LimitRatio = Field(
        0, description="CPU limit = request x this ratio (1 or more); 0 keeps limits"
    )
    scheduling_memory_limit_ratio: LimitRatio = Field(
        0, description="Memory limit = request x this ratio (1 or more); 0 keeps limits"
    )

    @field_validator("scheduling_cpu_limit_ratio", "scheduling_memory_limit_ratio")
    @classmethod
    def _check_limit_covers_request(cls, ratio: float) -> float:
        if 0 < ratio < 1:
            raise ValueError("a limit can't be less than its request: use 0, or 1 or more")
        return ratio

    @field_validator("scheduling_cpu_ceiling", "scheduling_memory_ceiling")
    @classmethod
    def _check_ceiling_above_floor(cls, ceiling: str, info: ValidationInfo) -> str:
        floor_name = str(info.field_name).replace("ceiling", "floor")
        floor = info.data.get(floor_name)
        if floor is not None and parse_quantity(ceiling) < parse_quantity(floor):
            raise ValueError(f"must not be less than {floor_name.upper()}, which is {floor}")
        return ceiling

"""The Lease that elects the leader."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator


class LeaderSettings(BaseModel):
    """The Lease, its times and this process's name in it."""

    lease: str = Field("job-profiler", description="Lease of the leader election, in OWN_NAMESPACE")
    lease_retry_period: float = Field(
        2, gt=0, description="Seconds between two attempts to acquire or renew the Lease"
    )
    lease_renew_deadline: float = Field(
        10,
        gt=0,
        description="Seconds without a renewal after which the leader stops; more than LEASE_RETRY_PERIOD",
    )
    lease_duration: float = Field(
        15,
        ge=1,
        description="Seconds after its last renewal until another replica may acquire the Lease; more than"
        " LEASE_RENEW_DEADLINE",
    )
    identity: str = Field(
        "", description="Name of this process in the Lease; empty means host name and process ID"
    )

    @field_validator("lease_renew_deadline", "lease_duration")
    @classmethod
    def _check_lease_times_rise(cls, seconds: float, info: ValidationInfo) -> float:
        shorter = (
            "lease_retry_period" if info.field_name == "lease_renew_deadline" else "lease_renew_deadline"
        )
        if seconds <= info.data.get(shorter, 0):
            raise ValueError(f"must be more than {shorter.upper()}, which is {info.data[shorter]:g}")
        return seconds

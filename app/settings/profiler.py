"""Refresh of the profiles, back-fill of running Pods, and gauges of the profiles."""

from pydantic import BaseModel, Field


class ProfilerSettings(BaseModel):
    """The period of profiling cycles, the rates of writes to profiles and Pods, and the profiles' gauges."""

    background_routine_enabled: bool = Field(True, description="Whether the profiler runs profiling cycles")
    background_routine_update_time: float = Field(
        150, ge=1, le=86400, description="Seconds between the starts of two profiling cycles"
    )
    profile_write_rate: float = Field(
        50, gt=0, le=1000, description="Maximum profile writes per second, the largest change first"
    )
    max_connections: int = Field(
        64,
        ge=0,
        le=1000,
        description="Maximum number of connection profiles in a Pod's annotations: its own calls,"
        " then the largest",
    )
    backfill_enabled: bool = Field(
        True, description="Whether the annotations of running Pods are brought up to date (back-fill)"
    )
    backfill_rate: float = Field(
        50, gt=0, le=1000, description="Maximum Pods patched per second by back-fill"
    )
    workload_metrics: bool = Field(
        False,
        description="Whether the leader's /metrics has the profiles by name: needs and requests of workloads"
        " and containers, replicas, connections; it asks no client for credentials",
    )
    max_workload_series: int = Field(
        20_000,
        ge=0,
        le=1_000_000,
        description="Maximum series of WORKLOAD_METRICS; the largest profiles of each namespace have theirs",
    )

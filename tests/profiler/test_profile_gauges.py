"""Gauges of the stored values on /metrics."""

from prometheus_client import CollectorRegistry, generate_latest

from app.profiler.profile_gauges import ProfileGauges
from tests.webhook.profiles import synced_catalogue, web_profiles

WEB = 'namespace="emojivoto",workload="web",workload_kind="Deployment"'


def samples(*, is_exported: bool) -> list[str]:
    """The samples on the metrics page."""
    registry = CollectorRegistry()
    ProfileGauges(synced_catalogue(*web_profiles()), lambda: is_exported, registry)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_each_profile_is_a_gauge_by_workload() -> None:
    """`web` needs "0.020" cores and "17106488" bytes; its connections have no gauge."""
    assert samples(is_exported=True) == [
        f"job_profiler_profile_cpu_cores{{{WEB}}} 0.02",
        f"job_profiler_profile_memory_bytes{{{WEB}}} 1.7106488e+07",
    ]


def test_a_follower_has_no_gauges() -> None:
    """Otherwise a sum over all replicas would count each workload twice."""
    assert samples(is_exported=False) == []

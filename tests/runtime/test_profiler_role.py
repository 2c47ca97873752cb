"""The profiler's metrics name workloads only where a setting asks for it."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.kubernetes.client import open_cluster
from app.runtime.profiler_role import ProfilerRole
from app.runtime.watches.profiles import ProfileWatches
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.webhook.profiles import synced_catalogue, web_profiles

GAUGES = ("job_profiler_profile_cpu_cores{", "job_profiler_profile_memory_bytes{")


@pytest.mark.parametrize(("is_wanted", "count"), [(False, 0), (True, 2)])
async def test_metrics_name_no_workload_unless_asked(
    tmp_path: Path,
    is_wanted: bool,  # noqa: FBT001 - a parameter of the test
    count: int,
) -> None:
    """By default `web` of `emojivoto` is in no sample of a leader; with the setting its two profiles are."""
    registry = CollectorRegistry()
    settings = read_settings({"workload_metrics": is_wanted})
    async with FakeApiServer() as server, open_cluster(server.kubeconfig(tmp_path)) as client:
        profiles = ProfileWatches(client, "profiling", synced_catalogue(*web_profiles()))
        role = ProfilerRole(settings, client, profiles, registry)
    role._set_leading(leading=True)

    lines = generate_latest(registry).decode().splitlines()

    assert len([line for line in lines if "emojivoto" in line]) == count
    assert len([line for line in lines if line.startswith(GAUGES)]) == count

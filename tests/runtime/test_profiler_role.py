"""The profiler's metrics name workloads only where a setting asks for it."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.domain.profiles import ProfileKind, Resource
from app.kubernetes.client import open_cluster
from app.runtime.profiler_role import ProfilerRole
from app.runtime.serving import profile_catalogue
from app.runtime.watches.profiles import ProfileWatches
from app.settings.environment import read_settings
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.profiler.stored_workloads import stored_workload
from tests.webhook.profiles import WEB, synced_catalogue, web_profiles

GAUGES = (
    "job_profiler_profile_cpu_cores{",
    "job_profiler_profile_memory_bytes{",
    "job_profiler_connection_messages_per_minute{",
)


@pytest.mark.parametrize(("is_wanted", "count"), [(False, 0), (True, 5)])
async def test_metrics_name_no_workload_unless_asked(
    tmp_path: Path,
    is_wanted: bool,  # noqa: FBT001 - a parameter of the test
    count: int,
) -> None:
    """By default `web` of `emojivoto` is in no sample of a leader.

    With the setting its five profiles are, until the Lease is lost.
    """
    registry = CollectorRegistry()
    settings = read_settings({"workload_metrics": is_wanted})
    async with FakeApiServer() as server, open_cluster(server.kubeconfig(tmp_path)) as client:
        profiles = ProfileWatches(client, "profiling", synced_catalogue(*web_profiles()))
        role = ProfilerRole(settings, client, profiles, registry)
    role._set_leading(leading=True)
    lines = generate_latest(registry).decode().splitlines()
    role._set_leading(leading=False)

    assert "emojivoto" not in generate_latest(registry).decode()
    assert len([line for line in lines if "emojivoto" in line]) == count
    assert len([line for line in lines if line.startswith(GAUGES)]) == count


@pytest.mark.parametrize(("is_wanted", "requests"), [(False, ()), (True, ("500m",))])
def test_requests_of_containers_are_in_memory_for_gauges_only(
    is_wanted: bool,  # noqa: FBT001 - a parameter of the test
    requests: tuple[str, ...],
) -> None:
    """A profiler keeps the request of each container only where the setting asks for its gauge."""
    manifest = stored_workload(WEB, Resource.CPU, {"web-svc": 0.2}, {"web-svc": "500m"})
    catalogue = profile_catalogue(read_settings({"workload_metrics": is_wanted, "role": "profiler"}))
    catalogue.upsert(ProfileKind.CPU, manifest)

    [profile] = catalogue
    assert profile.state
    assert (profile.state.containers, profile.state.container_requests) == (("web-svc",), requests)

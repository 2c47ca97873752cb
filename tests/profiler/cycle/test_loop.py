"""The loop of cycles: its metrics, and retries if a cycle can't read the cluster."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.errors import ClusterError, UnavailableError
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import ProfilingCycle
from app.profiler.cycle.loop import CycleSchedule, run_cycles
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles, LoggedReport
from app.profiler.ports import ClusterPorts
from app.runtime.policies import cycle_policy
from app.runtime.scope import namespace_scope
from app.settings.environment import Settings, read_settings
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.kubernetes.polling import until
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import NOON, RecordingSink, Scenario


async def test_a_fault_leaves_the_metrics_of_profiles() -> None:
    """Eleven profiles are stored before and after; only the signal's metric shows the fault."""
    registry, scenario = CollectorRegistry(), Scenario(EmojivotoPrometheus())
    metrics = CycleMetrics(registry)

    def figures() -> list[float | None]:
        return [
            registry.get_sample_value("job_profiler_profiles"),
            registry.get_sample_value("job_profiler_signal_healthy", {"signal": "cpu"}),
            registry.get_sample_value("job_profiler_signal_healthy", {"signal": "memory"}),
            registry.get_sample_value("job_profiler_cycles_total", {"result": "finished"}),
            registry.get_sample_value("job_profiler_profile_writes_total", {"result": "written"}),
        ]

    metrics.count_finished(await scenario.cycle(), NOON)
    assert figures() == [11, 1, 1, 1, 11]

    scenario.prometheus.faults["cpu"] = lambda *_: httpx.Response(500)
    metrics.count_finished(await scenario.cycle(minutes=5), NOON)
    assert figures() == [11, 0, 1, 2, 11]


async def test_the_newest_step_of_each_signal_is_a_metric() -> None:
    """At 12:01 the step until noon is complete; after a fault CPU stays there, memory advances by 300 s."""
    registry, scenario = CollectorRegistry(), Scenario(EmojivotoPrometheus())
    metrics = CycleMetrics(registry)

    def newest(signal: str) -> float:
        name = "job_profiler_newest_sample_timestamp_seconds"
        return registry.get_sample_value(name, {"signal": signal}) or 0.0

    metrics.count_finished(await scenario.cycle(), NOON)
    before = newest("cpu")
    assert before == newest("memory") == newest("connections")
    assert before == NOON.timestamp() - 60

    scenario.prometheus.faults["cpu"] = lambda *_: httpx.Response(500)
    metrics.count_finished(await scenario.cycle(minutes=5), NOON)
    assert (newest("cpu"), newest("memory")) == (before, before + 300)


class RefusedOnce(FixedSnapshot):
    """A cluster that rejects the first list."""

    def __init__(self, error: ClusterError) -> None:
        super().__init__()
        self.error: ClusterError | None = error

    async def snapshot(self) -> ClusterSnapshot:
        """Raise at the first call, then return the snapshot."""
        error, self.error = self.error, None
        if error:
            raise error
        return await super().snapshot()


class AwaitedReport(LoggedReport):
    """A sink that sets `written` at the first report, which is the end of a cycle."""

    def __init__(self) -> None:
        self.written = asyncio.Event()

    async def write(self, report: Mapping[str, Any]) -> None:
        """Record the report and set `written`."""
        await super().write(report)
        self.written.set()


@pytest.mark.parametrize(
    "error",
    [
        ClusterError("GET /api/v1/pods: 403 Forbidden"),
        UnavailableError("GET /api/v1/pods: 429 Too Many Requests", retry_after_seconds=0.01),
    ],
)
async def test_a_cycle_without_access_to_the_cluster_is_retried_soon(error: ClusterError) -> None:
    """The period is an hour: the second attempt follows after the short pause and writes all profiles."""
    registry, profiles = CollectorRegistry(), InMemoryProfiles("profiling")
    settings: Settings = read_settings({"history_days": "1"})
    source = PrometheusSource("http://p:9090", scope=Scope(), transport=EmojivotoPrometheus().transport)
    sink = AwaitedReport()
    cluster = ClusterPorts(RefusedOnce(error), profiles, sink)

    namespaces = namespace_scope(settings)
    cycle = ProfilingCycle(source, cluster, cycle_policy(settings), namespaces.covers)
    cycles = asyncio.create_task(
        run_cycles(cycle, namespaces, CycleSchedule(3600, 0.01, lambda: NOON), CycleMetrics(registry))
    )
    async with asyncio.timeout(10):
        await sink.written.wait()
    cycles.cancel()
    await asyncio.gather(cycles, return_exceptions=True)

    assert registry.get_sample_value("job_profiler_cycles_total", {"result": "failed"}) == 1
    assert len(profiles.manifests) == 11


class Unlisted:
    """A lister that fails until a test ends it, and a watch that fails as long."""

    def __init__(self) -> None:
        self.fails = True

    async def snapshot(self) -> ClusterSnapshot:
        """The empty snapshot, or an error."""
        if self.fails:
            raise UnavailableError("not listed yet: pods")
        return ClusterSnapshot()

    def faults(self) -> Mapping[str, str]:
        """The reason of the watch."""
        return {"watch of pods": "500 Internal Server Error"} if self.fails else {}

    def unlisted_namespaces(self) -> Mapping[str, str]:
        """None."""
        return {}


async def test_cycles_that_fail_are_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute (0.1 s here) of failing cycles the stored report names why, once; the rest of it stays.

    Without that, `job-profiler status` would go on showing the last cycle that succeeded.
    """
    monkeypatch.setattr("app.profiler.cycle.loop._REPORTED_AFTER_SECONDS", 0.1)
    lister, sink = Unlisted(), RecordingSink()
    settings: Settings = read_settings({"history_days": "1"})
    source = PrometheusSource("http://p:9090", scope=Scope(), transport=EmojivotoPrometheus().transport)
    cluster = ClusterPorts(lister, InMemoryProfiles("profiling"), sink, watches=lister)
    namespaces = namespace_scope(settings)
    cycle = ProfilingCycle(source, cluster, cycle_policy(settings), namespaces.covers)
    schedule, metrics = CycleSchedule(3600, 0.01, lambda: NOON), CycleMetrics(CollectorRegistry())
    cycles = asyncio.create_task(run_cycles(cycle, namespaces, schedule, metrics))

    await until(lambda: len(sink.reports) == 1)
    reasons = {
        "watch of pods": "500 Internal Server Error",
        "cycle": "the last cycle failed: not listed yet: pods",
    }
    assert sink.reports[0] == {"faults": reasons, "faultsTotal": 2}
    assert metrics.faults == {"cycle": "the last cycle failed: not listed yet: pods"}
    await asyncio.sleep(0.2)
    assert len(sink.reports) == 1

    lister.fails = False
    await until(lambda: len(sink.reports) == 2)
    assert sink.reports[1]["faults"] == {}
    assert "signals" in sink.reports[1]
    cycles.cancel()
    await asyncio.gather(cycles, return_exceptions=True)

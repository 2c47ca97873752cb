"""A namespace that loses usage because the memory for it is full is named."""

from prometheus_client import CollectorRegistry

from app.profiler.cycle.collected_samples import CollectionLimits
from app.profiler.cycle.metrics import CycleMetrics
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import NOON, Scenario


async def test_the_namespace_is_named_and_what_it_keeps_is_published() -> None:
    """The five containers of emojivoto need 2,048 bytes each, and some for samples: 10,500 * 0.9 fits four.

    One workload does not fit: its namespace is in the report, and it is counted. The others have profiles.
    """
    limits = CollectionLimits(max_history_bytes=10_500)
    scenario = Scenario(EmojivotoPrometheus(), limits_of_collection=limits)

    report = await scenario.cycle()

    assert scenario.sink.reports[-1]["forgottenUsage"] == ["emojivoto"]
    assert report.forgotten_workloads == 1
    registry = CollectorRegistry()
    CycleMetrics(registry).count_finished(report, NOON)
    assert registry.get_sample_value("job_profiler_workloads_forgotten_total") == 1
    assert len([profile for profile in scenario.profiles.catalogue if profile.kind == "cpu"]) == 3


async def test_without_a_full_memory_nothing_is_named() -> None:
    """The default has room for all."""
    scenario = Scenario(EmojivotoPrometheus())

    report = await scenario.cycle()

    assert "forgottenUsage" not in scenario.sink.reports[-1]
    assert report.forgotten_workloads == 0

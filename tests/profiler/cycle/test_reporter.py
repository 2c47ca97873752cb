"""The status report: a failed write is named and repeated, and one that is gone is written again."""

from collections.abc import Mapping
from typing import Any

from structlog.testing import capture_logs

from app.errors import NotFoundError
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import RecordingSink, Scenario


class DeletedMap(RecordingSink):
    """A sink that can't write while the ConfigMap is gone."""

    is_gone = True

    async def write(self, report: Mapping[str, Any]) -> None:
        """Write, or raise the error of the client."""
        if self.is_gone:
            raise NotFoundError("ConfigMap profiling/job-profiler-status is missing")
        await super().write(report)


async def test_a_report_that_is_not_written_is_named_and_tried_again() -> None:
    """The ConfigMap was deleted: three cycles, one log line; the fourth writes, and profiles were written."""
    scenario = Scenario(EmojivotoPrometheus())
    scenario.sink = sink = DeletedMap()
    scenario._cycle._reporter._sink = sink

    with capture_logs() as lines:
        for minutes in (0, 5, 10):
            await scenario.cycle(minutes)

    assert scenario.report_faults == {"status report": "ConfigMap profiling/job-profiler-status is missing"}
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["report_not_written"]
    assert len(scenario.profiles.manifests) > 0
    sink.is_gone = False
    await scenario.cycle(minutes=15)
    assert scenario.report_faults == {}
    assert len(sink.reports) == 1


async def test_an_unchanged_report_is_compared_with_the_stored_one_after_an_hour() -> None:
    """The ConfigMap was emptied: cycles within the hour send nothing, and one after it writes again."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    [report] = scenario.sink.reports
    scenario.sink.reports.clear()

    await scenario.cycle(minutes=55)
    assert scenario.sink.reports == []
    await scenario.cycle(minutes=60)
    assert scenario.sink.reports == [report]


async def test_namespaces_that_ask_in_vain_are_reported() -> None:
    """Scheduling is off: the report names emojivoto, which asks; kube-system is out of scope."""
    scenario = Scenario(EmojivotoPrometheus())
    scenario._cycle._asking_namespaces = lambda: {"emojivoto", "kube-system"}

    await scenario.cycle()
    scenario._cycle._asking_namespaces = frozenset
    await scenario.cycle(minutes=5)

    assert [report.get("namespacesAskingForRequests") for report in scenario.sink.reports] == [
        ["emojivoto"],
        None,
    ]

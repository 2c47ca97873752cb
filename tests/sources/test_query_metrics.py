"""Metrics on the costs of queries, by signal."""

from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from app.sources.query_metrics import QueryMetrics
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Question
from tests.profiler.scenario import Scenario
from tests.sources.wire import successful


def unreachable(_question: Question, _body: Any) -> httpx.Response:
    raise httpx.ConnectError("refused")


def too_large(question: Question, body: Any) -> httpx.Response:
    """At most 10 hours, which are 120 steps."""
    if question.end - question.start > 36_000:
        return httpx.Response(422, json={"status": "error", "error": "too many samples"})
    return successful(body)


async def test_a_cycle_in_figures() -> None:
    """CPU is a query with 5 containers of 432 steps in its result, and one on marks, of which there are none.

    Connections are four queries. The scripted server reports no number of samples, so the 2160 samples of
    the result count.
    """
    registry = CollectorRegistry()
    await Scenario(EmojivotoPrometheus(), observer=QueryMetrics(registry)).cycle()

    def value(name: str, signal: str, **labels: str) -> float | None:
        labels["signal"] = signal
        return registry.get_sample_value(f"job_profiler_prometheus_{name}", labels)

    assert value("queries_total", "cpu", result="answered") == 2
    assert value("queries_total", "connections", result="answered") == 4
    assert value("query_samples_sum", "cpu") == 5 * 432
    assert value("query_samples_count", "cpu") == value("query_duration_seconds_count", "cpu") == 2
    received = value("received_bytes_total", "cpu")
    assert received
    assert received > 2160 * len('[1772323200,"0.1"]')
    assert value("retries_total", "cpu") is None


async def test_retries_splits_and_failures() -> None:
    """A refused connection is tried three times; a query that is too large is halved: 432, 216, 108."""
    registry = CollectorRegistry()
    prometheus = EmojivotoPrometheus()
    prometheus.faults = {"cpu": too_large, "memory": unreachable}
    await Scenario(prometheus, observer=QueryMetrics(registry)).cycle()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"job_profiler_prometheus_{name}", labels)

    assert value("splits_total", signal="cpu") == 2
    assert value("queries_total", signal="cpu", result="failed") == 2
    assert value("queries_total", signal="cpu", result="answered") == 4
    assert value("retries_total", signal="memory") == 2
    assert value("queries_total", signal="memory", result="failed") == 1

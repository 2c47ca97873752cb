"""A slow Prometheus: the number of queries is normal again two cycles after it recovers."""

import math
from typing import Any

import httpx
import pytest

from app.sources.prometheus import Limits
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Fault, Question
from tests.profiler.prometheus_faults import timed_out
from tests.profiler.scenario import Scenario
from tests.sources.wire import successful

NAMESPACES = 200
QUERIED = ("cpu", "memory", "connections", "throttling", "kills", "owners")
MOST_QUERIES = 12


def namespaces(samples_per_step: float) -> Fault:
    """The response on the load: each of many namespaces has so many samples per step."""

    def answer(_question: Question, body: Any) -> httpx.Response:
        [(label, _)] = body["data"]["result"][0]["metric"].items()
        body["data"]["result"] = [
            {"metric": {label: f"team-{number}"}, "values": [[_question.end, str(samples_per_step)]]}
            for number in range(NAMESPACES)
        ]
        return successful(body)

    return answer


def lost_store(_question: Question, _body: Any) -> httpx.Response:
    """The error of Thanos if a store gateway does not respond."""
    error = "rpc error: code = Unavailable desc = dial tcp 10.0.0.1:10901: i/o timeout"
    return httpx.Response(500, json={"status": "error", "errorType": "internal", "error": error})


def evaluated_too_long(_question: Question, _body: Any) -> httpx.Response:
    """The error of Prometheus if the evaluation of a query exceeds its time limit."""
    error = "query timed out in expression evaluation"
    return httpx.Response(503, json={"status": "error", "errorType": "timeout", "error": error})


async def queries(scenario: Scenario, minutes: float) -> int:
    """The number of queries of one cycle."""
    scenario.prometheus.questions.clear()
    await scenario.cycle(minutes)
    return len(scenario.prometheus.questions)


@pytest.mark.parametrize("fault", [timed_out, evaluated_too_long, lost_store])
@pytest.mark.parametrize("samples_per_step", [400, 2_000])
async def test_ten_slow_minutes_cost_no_more_queries_afterwards(fault: Fault, samples_per_step: int) -> None:
    """With 80,000 and with 400,000 samples per step, a step is far below the budget of one query.

    A cycle has two queries on usage, two on pressure, two on owners and four on connections, and at times one
    on the load. After ten minutes of time-outs, two cycles make up for the missing steps.
    """
    prometheus = EmojivotoPrometheus(faults={"planning": namespaces(samples_per_step)})
    scenario = Scenario(prometheus, limits=Limits(queries_per_cycle=math.inf, timeout_seconds=5))
    await scenario.cycle()
    assert await queries(scenario, 5) == 10

    prometheus.faults |= dict.fromkeys(QUERIED, fault)
    for number in range(20):
        await queries(scenario, 10 + number / 2)
    for signal in QUERIED:
        del prometheus.faults[signal]
    for minutes in (20, 25):
        await queries(scenario, minutes)

    assert await queries(scenario, 30) <= MOST_QUERIES

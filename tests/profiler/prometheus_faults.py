"""Faulty responses of Prometheus, and the signal state that each one leads to."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.profiler.emojivoto_prometheus import Fault, Question
from tests.sources.wire import successful

URL = "http://prometheus.test:9090"


@dataclass(frozen=True)
class FaultCase:
    """A fault on the wire, and the state, reason and message of the signal that it affects."""

    fault: Fault
    state: str
    reason: str
    message: str


def refused(_question: Question, _body: Any) -> httpx.Response:
    """A refused connection."""
    raise httpx.ConnectError("All connection attempts failed")


def timed_out(_question: Question, _body: Any) -> httpx.Response:
    """A response that does not arrive in time."""
    raise httpx.ReadTimeout("")


def server_error(_question: Question, _body: Any) -> httpx.Response:
    """A 500."""
    return httpx.Response(500, json={"status": "error", "errorType": "internal", "error": "disk is full"})


def partial(_question: Question, body: Any) -> httpx.Response:
    """The response of Thanos while a store is unavailable: one series, and a warning."""
    body["data"]["result"] = body["data"]["result"][:1]
    return httpx.Response(200, json=body | {"warnings": ["No StoreAPIs matched for this query"]})


def query_error(_question: Question, _body: Any) -> httpx.Response:
    """A 200 with an error of the query engine."""
    return httpx.Response(
        200, json={"status": "error", "errorType": "execution", "error": "too many samples"}
    )


def every_value(text: str) -> Fault:
    """A response in which *text* replaces each value."""

    def replaced(_question: Question, body: Any) -> httpx.Response:
        for row in body["data"]["result"]:
            row["values"] = [[moment, text] for moment, _ in row["values"]]
        return successful(body)

    return replaced


def native_histogram(_question: Question, body: Any) -> httpx.Response:
    """Native histograms in place of numbers."""
    for row in body["data"]["result"]:
        row["histograms"] = [[moment, {"count": "1", "sum": "1"}] for moment, _ in row.pop("values")]
    return successful(body)


def truncated(_question: Question, body: Any) -> httpx.Response:
    """The first half of the response."""
    whole = successful(body).content
    return httpx.Response(200, content=whole[: len(whole) // 2])


def empty(_question: Question, _body: Any) -> httpx.Response:
    """No series."""
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": []}})


UNUSABLE = "samples that were NaN, infinite or negative were left out"
CASES = {
    "500": FaultCase(
        server_error,
        "Failing",
        "HTTPError",
        "Prometheus answered 500 Internal Server Error: internal: disk is full",
    ),
    "time-out": FaultCase(timed_out, "Failing", "TimedOut", f"{URL} sent no complete response within 5 s"),
    "refused": FaultCase(
        refused, "Failing", "Unreachable", f"{URL} can't be reached: All connection attempts failed"
    ),
    "partial": FaultCase(
        partial,
        "Failing",
        "PartialAnswer",
        "Prometheus' response may be incomplete: No StoreAPIs matched for this query",
    ),
    "query-error": FaultCase(
        query_error,
        "Failing",
        "QueryFailed",
        "Prometheus returned an error: execution: too many samples",
    ),
    "native-histogram": FaultCase(
        native_histogram,
        "Failing",
        "NativeHistogram",
        "Prometheus returned native histograms instead of numbers",
    ),
    "truncated": FaultCase(truncated, "Failing", "MalformedAnswer", "Prometheus' response can't be decoded"),
    "nan": FaultCase(every_value("NaN"), "Degraded", "UnusableSamples", UNUSABLE),
    "infinite": FaultCase(every_value("+Inf"), "Degraded", "UnusableSamples", UNUSABLE),
    "empty": FaultCase(empty, "Empty", "NoSamples", "Prometheus has no new"),
}

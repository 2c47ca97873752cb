"""Usage from Prometheus as the profiler asks for it; faults of the wire are shown once, at this level too."""

from typing import Any

import httpx
import numpy as np
import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Connection, Workload
from app.errors import SourceError
from app.estimation.samples import PodContainer
from app.sources.prometheus import NetworkProvider, PrometheusSource
from app.sources.queries import RESPONSES, Scope, container_usage, outbound_rate, proxy_scrapes
from tests.sources.wire import FIRST, SECOND, STEPS, THIRD, Pauses, Reply, ScriptedPrometheus, answer, row

SCOPE = Scope(included=("emojivoto",))
CONTAINER = {"namespace": "emojivoto", "pod": "web-6c9b7d8f5b-2x8qz", "container": "web-svc"}
EDGE = {
    "namespace": "emojivoto",
    "deployment": "web",
    "dst_namespace": "emojivoto",
    "dst_deployment": "voting",
}


def source(wire: httpx.AsyncBaseTransport, provider: NetworkProvider = "auto") -> PrometheusSource:
    return PrometheusSource(
        "http://user:secret@prometheus.example:9090",
        scope=SCOPE,
        network_provider=provider,
        timeout_seconds=60,
        transport=wire,
        pace=Pauses().pace(),
    )


@pytest.mark.parametrize("resource", list(Resource))
async def test_container_samples(resource: Resource) -> None:
    """The resource's query is sent, and its rows come back as containers."""
    wire = ScriptedPrometheus(answer(row(CONTAINER, [(FIRST, "0.02"), (THIRD, "NaN")])))
    async with source(wire) as prometheus:
        samples = await prometheus.container_samples(resource, STEPS)

    assert wire.form()["query"] == container_usage(resource, SCOPE)
    assert (samples.resource, samples.steps) == (resource, STEPS)
    assert samples.containers == (PodContainer("emojivoto", "web-6c9b7d8f5b-2x8qz", "web-svc"),)
    np.testing.assert_array_equal(samples.values, [[0.02, np.nan, np.nan, np.nan]])
    assert samples.unusable == 1


async def test_connection_samples() -> None:
    """Three questions: requests, responses, scrapes; the second answer has one unusable sample.

    Scraped twice in the first two steps, so both count as observed although the second has no request.
    """
    wire = ScriptedPrometheus(
        answer(row(EDGE, [(FIRST, "1")])),
        answer(row(EDGE, [(FIRST, "0.9"), (SECOND, "-Inf")])),
        answer(row({"namespace": "emojivoto", "deployment": "web"}, [(FIRST, "2"), (SECOND, "2")])),
    )
    async with source(wire) as prometheus:
        samples = await prometheus.connection_samples(STEPS)

    assert samples is not None
    assert samples.edges == (Connection(Workload("emojivoto", "web"), Workload("emojivoto", "voting")),)
    np.testing.assert_array_equal(samples.requests, [[1, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.responses, [[0.9, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, False]])
    assert samples.unusable == 1
    assert wire.form(1)["query"] == outbound_rate(RESPONSES, SCOPE)
    assert wire.form(2)["query"] == proxy_scrapes(SCOPE)
    assert prometheus.network_provider_in_use == "linkerd"


async def test_no_mesh_is_asked_where_none_is_wanted() -> None:
    """With the provider `none` nothing is sent and the answer is None."""
    wire = ScriptedPrometheus(answer())
    async with source(wire, "none") as prometheus:
        assert await prometheus.connection_samples(STEPS) is None

    assert wire.requests == []
    assert prometheus.network_provider_in_use == "none"


@pytest.mark.parametrize(("provider", "in_use"), [("auto", "none"), ("linkerd", "linkerd")])
async def test_a_cluster_without_a_mesh(provider: NetworkProvider, in_use: str) -> None:
    """No series of a mesh is an answer without edges and sources, no error."""
    async with source(ScriptedPrometheus(answer()), provider) as prometheus:
        samples = await prometheus.connection_samples(STEPS)

    assert samples is not None
    assert (samples.edges, samples.sources) == ((), ())
    assert samples.requests.shape == samples.responses.shape == samples.scraped.shape == (0, 4)
    assert prometheus.network_provider_in_use == in_use


FAULTS: dict[str, tuple[Reply, str]] = {
    "500": (httpx.Response(500, json={"status": "error", "error": "disk on fire"}), "HTTPError"),
    "HTML 502": (httpx.Response(502, text="<html>"), "HTTPError"),
    "time-out": (httpx.ReadTimeout("slow"), "TimedOut"),
    "refused": (httpx.ConnectError("refused"), "Unreachable"),
    "warnings": (
        answer(row(EDGE | CONTAINER, [(FIRST, "1")]), warnings=["a store is gone"]),
        "PartialAnswer",
    ),
    "error": (httpx.Response(200, json={"status": "error", "error": "no"}), "QueryFailed"),
    "histogram": (answer(row(CONTAINER, [], histograms=[[FIRST, {"sum": "1"}]])), "NativeHistogram"),
    "truncated": (httpx.Response(200, text='{"status":"success","data":{"resul'), "MalformedAnswer"),
    "off the grid": (answer(row(EDGE | CONTAINER, [(FIRST + 1, "1")])), "MalformedAnswer"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("healthy", [0, 1, 2], ids=["first", "second", "third"])
async def test_one_fault_spoils_the_whole_answer(fault: Any, reason: str, healthy: int) -> None:
    """Whichever of the three questions on connections fails, none of the others' answers is used."""
    wire = ScriptedPrometheus(*[answer()] * healthy, fault)
    async with source(wire) as prometheus:
        with pytest.raises(SourceError) as caught:
            await prometheus.connection_samples(STEPS)

    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
async def test_faults_of_container_samples(fault: Any, reason: str) -> None:
    """The same faults, asked for CPU."""
    async with source(ScriptedPrometheus(fault)) as prometheus:
        with pytest.raises(SourceError) as caught:
            await prometheus.container_samples(Resource.CPU, STEPS)

    assert caught.value.reason == reason


async def test_the_address_that_may_be_shown() -> None:
    """The URL is told without user and password."""
    async with source(ScriptedPrometheus(answer())) as prometheus:
        assert prometheus.url == "http://prometheus.example:9090"

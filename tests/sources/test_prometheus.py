"""Samples from Prometheus as the profiler requests them; HTTP errors also at this level."""

from typing import Any
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest

from app.domain.profiles import Resource
from app.domain.workloads import Connection, Workload
from app.errors import SourceError
from app.history.samples import STEPS_PER_DAY, PodContainer, StepRange
from app.sources.cluster_labels import unnamed_labels
from app.sources.connections.istio import Istio
from app.sources.connections.istio_answers import EDGE_LABELS
from app.sources.connections.linkerd import Linkerd
from app.sources.late_counts import with_earlier
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope, Shard, container_series, container_usage
from app.sources.query_result import SeriesMatrix
from tests.sources.collecting import only, usage
from tests.sources.connections.conversing import converse
from tests.sources.wire import (
    FIRST,
    FOURTH,
    SECOND,
    STEPS,
    THIRD,
    Pauses,
    Reply,
    ScriptedPrometheus,
    answer,
    parts_of,
    row,
    successful,
)

SCOPE = Scope(included=("emojivoto",))
CONTAINER = {"namespace": "emojivoto", "pod": "web-6c9b7d8f5b-2x8qz", "container": "web-svc"}
EDGE = {
    "namespace": "emojivoto",
    "deployment": "web",
    "dst_namespace": "emojivoto",
    "dst_deployment": "voting",
}


def source(wire: httpx.AsyncBaseTransport, provider: str = "auto") -> PrometheusSource:
    return PrometheusSource(
        "http://user:secret@prometheus.example:9090",
        scope=SCOPE,
        network_providers=(provider,),
        transport=wire,
        retry_policy=Pauses().retry_policy(),
    )


@pytest.mark.parametrize("resource", list(Resource))
async def test_container_samples(resource: Resource) -> None:
    """The query of the resource is sent, and its rows become containers."""
    wire = ScriptedPrometheus(answer(), answer(row(CONTAINER, [(FIRST, "0.02"), (THIRD, "NaN")])))
    async with source(wire) as prometheus:
        samples = await usage(prometheus.container_samples(resource, STEPS))

    assert wire.form()["query"] == container_usage(resource, SCOPE)
    assert (samples.resource, samples.steps) == (resource, STEPS)
    assert samples.containers == (PodContainer("emojivoto", "web-6c9b7d8f5b-2x8qz", "web-svc"),)
    np.testing.assert_array_equal(samples.values, [[0.02, np.nan, np.nan, np.nan]])
    assert samples.unusable == 1


async def test_many_steps_are_answered_with_all_series() -> None:
    """A day of CPU is two queries, rates and marks, of which the young container's slope counts.

    The container was restarted: at the third step the larger of both series' rates counts. Its first step is
    marked: the slope .5 replaces the rate .1.
    """
    day = StepRange(STEPS.last - STEPS_PER_DAY + 1, STEPS.last)
    before = row(CONTAINER | {"id": "1"}, [(FIRST, "0.1"), (SECOND, "0.2"), (THIRD, "0.2")])
    after = row(CONTAINER | {"id": "2"}, [(THIRD, "0.3"), (FOURTH, "0.4")])
    mark, slope = row(CONTAINER | {"__young": "young"}, [(FIRST, "1")]), row(CONTAINER, [(FIRST, "0.5")])

    def reply(request: httpx.Request) -> httpx.Response:
        (query,) = parse_qs(request.content.decode())["query"]
        if "timestamp" in query:
            return answer(slope)
        return answer(mark) if "__young" in query else answer(before, after)

    wire = ScriptedPrometheus(answer(), reply)
    async with source(wire) as prometheus:
        samples = await usage(prometheus.container_samples(Resource.CPU, day))

    assert {*queries_of(wire)[1:3]} == {*container_series(Resource.CPU, SCOPE)}
    assert samples.containers == (PodContainer("emojivoto", "web-6c9b7d8f5b-2x8qz", "web-svc"),)
    np.testing.assert_array_equal(samples.values[0, -4:], [0.5, 0.2, 0.3, 0.4])


def queries_of(wire: ScriptedPrometheus) -> list[str]:
    return [wire.form(number)["query"] for number in range(len(wire.requests))]


async def test_connections_of_linkerd() -> None:
    """Four queries after the load; one response is an unusable sample.

    The first two steps have two scrapes each: both count as scraped although the second has no request.
    """
    proxy = {"namespace": "emojivoto", "deployment": "web"}
    pod = proxy | {"pod": "web-6c9b7d8f5b-2x8qz", "replicas": "web-6c9b7d8f5b"}
    wire = ScriptedPrometheus(
        answer(),
        answer(row(pod, [(FOURTH, "1")])),
        answer(row(EDGE, [(FIRST, "1")])),
        answer(row(EDGE, [(FIRST, "0.9"), (SECOND, "-Inf")])),
        answer(
            row(EDGE | {"part": "0"}, [(FIRST, "500")]),
            row(proxy | {"part": "2"}, [(FIRST, "2"), (SECOND, "2")]),
        ),
    )
    async with source(wire, "linkerd") as prometheus:
        samples = await only(prometheus.connection_samples(STEPS))

    assert samples.edges == (Connection(Workload("emojivoto", "web"), Workload("emojivoto", "voting")),)
    np.testing.assert_array_equal(samples.requests, [[1, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.responses, [[0.9, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.request_bytes, [[500, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.scraped, [[True, True, False, False]])
    assert [list(pods) for pods in samples.edge_pods] == [["web-6c9b7d8f5b-2x8qz"]]
    assert samples.unusable == 1
    pods = SeriesMatrix((("emojivoto", pod["pod"], pod["replicas"], "web", *[""] * 6),), np.ones((1, 1)))
    nothing = SeriesMatrix((), np.empty((0, len(STEPS))))
    batches, _ = converse(
        Linkerd(),
        lambda batch: [nothing] * len(batch.parts) if batch.steps == STEPS else [pods, nothing, nothing],
        SCOPE,
    )
    load = with_earlier(Linkerd().load(SCOPE, unnamed_labels(SCOPE)), 12)
    assert queries_of(wire) == [load.query, *(batch.query for batch in batches)]
    assert prometheus.network_provider_in_use == "linkerd"


async def test_connections_of_istio() -> None:
    """Five queries after the load: the first finds the scrape jobs. A request has one response."""
    edge = {
        "source_workload_namespace": "emojivoto",
        "source_workload": "web",
        "destination_workload_namespace": "emojivoto",
        "destination_workload": "voting",
        "namespace": "emojivoto",
        "reporter": "source",
    }

    def reply(request: httpx.Request) -> httpx.Response:
        (query,) = parse_qs(request.content.decode())["query"]
        requests = "increase(istio_requests_total{" in query
        sizes = row(edge, [(FIRST, "500")]) if "istio_request_bytes_sum{" in query else None
        if "istio_build" in query:
            return answer(row({"job": "envoy"}, [(FIRST, "1")]))
        return answer(*filter(None, [row(edge, [(FIRST, "1")]) if requests else None, sizes]))

    wire = ScriptedPrometheus(reply)
    async with source(wire, "istio") as prometheus:
        samples = await only(prometheus.connection_samples(STEPS))

    assert samples.edges == (
        Connection(Workload("emojivoto", "web", ""), Workload("emojivoto", "voting", "")),
    )
    np.testing.assert_array_equal(samples.requests, [[1, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(samples.responses, samples.requests)
    np.testing.assert_array_equal(samples.request_bytes, [[500, np.nan, np.nan, np.nan]])
    (scrapers,) = next(Istio().conversation(SCOPE, STEPS, Shard()))
    assert queries_of(wire)[:2] == [
        with_earlier(Istio().load(SCOPE, unnamed_labels(SCOPE)), 12).query,
        scrapers.query,
    ]
    assert len(wire.requests) == 6
    assert prometheus.network_provider_in_use == "istio"


METRIC_NAMES = "/api/v1/label/__name__/values"


def mesh_metrics(*present: str, shows_names: bool = True) -> Reply:
    """Answers each part of a query that contains one of *present* with a series with both meshes' labels.

    Unless it *shows_names*, the server refuses the request for the names of metrics.
    """
    names = ["namespace", "deployment", "dst_namespace", "dst_deployment", "pod"]
    names += ["source_workload_namespace", "source_workload"]
    names += ["destination_workload_namespace", "destination_workload"]

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path == METRIC_NAMES:
            metrics = [metric.partition("{")[0] for metric in present]
            return successful({"status": "success", "data": metrics}) if shows_names else httpx.Response(403)
        (query,), (end,) = (parse_qs(request.content.decode())[field] for field in ("query", "end"))
        held = [
            number
            for number, part in parts_of(query)
            if any(metric in part for metric in present) and "scrape_series_added" not in part
        ]
        series = dict.fromkeys(names, "emojivoto")
        return answer(*(row(series | {"part": number}, [(int(end), "2")]) for number in held))

    return reply


@pytest.mark.parametrize(
    ("present", "expected", "with_names", "without_names"),
    [
        ((), "none", (1, 1), (16, 10)),
        (("request_total{", "up{control_plane_ns"), "linkerd", (7, 5), (17, 6)),
        (("istio_requests_total",), "istio", (7, 5), (20, 6)),
        (("request_total{", "istio_requests_total"), "linkerd and istio", (12, 9), (20, 10)),
    ],
    ids=["none", "linkerd", "istio", "both"],
)
@pytest.mark.parametrize("shows_names", [True, False])
async def test_auto_queries_the_detected_providers(
    present: tuple[str, ...],
    expected: str,
    with_names: tuple[int, int],
    without_names: tuple[int, int],
    *,
    shows_names: bool,
) -> None:
    """One request for the names of metrics, at every call while no provider is known, else in an hour.

    Then a load and queries for each provider that is there: four of Linkerd, five of Istio. Here the Pod of
    Linkerd has two targets, so that a fifth query asks by which labels they differ. Where the server does not
    show the names, all loads are measured, and an absent Linkerd costs four queries, every other
    absent provider one.
    """
    queries_first, queries_later = with_names if shows_names else without_names
    wire = ScriptedPrometheus(mesh_metrics(*present, shows_names=shows_names))
    async with source(wire) as prometheus:
        await only(prometheus.connection_samples(STEPS))
        first = len(wire.requests)
        await only(prometheus.connection_samples(STEPS))

    assert (first, len(wire.requests) - first) == (queries_first, queries_later)
    assert prometheus.network_provider_in_use == expected


async def test_a_provider_that_is_too_slow_does_not_stop_the_others() -> None:
    """Flows time out, whatever is asked for; Linkerd alone answers, and the result names the error."""
    present = mesh_metrics("request_total{", "up{control_plane_ns", "obi_network_flow_bytes_total{")

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/label/namespace/values"):
            return successful({"status": "success", "data": ["emojivoto"]})
        if b"obi_network" in request.content:
            return httpx.Response(503, json={"status": "error", "errorType": "timeout", "error": "too slow"})
        answered: httpx.Response = present(request)  # type: ignore[operator]
        return answered

    async with source(ScriptedPrometheus(reply)) as prometheus:
        samples = await only(prometheus.connection_samples(STEPS))

    assert [edge.source.name for edge in samples.edges] == ["emojivoto"]
    assert "too slow" in samples.unanswered_provider


async def test_connections_may_have_a_prometheus_of_their_own() -> None:
    """Queries on the mesh go to one server, all others to the other."""
    wire = ScriptedPrometheus(answer())
    source = PrometheusSource(
        "http://prometheus.example:9090",
        connections_url="http://user:secret@viz.example:9090",
        scope=SCOPE,
        transport=wire,
    )
    async with source as prometheus:
        await usage(prometheus.container_samples(Resource.CPU, STEPS))
        await prometheus.pod_owners(STEPS)  # three queries: kube-state-metrics is silent
        await only(prometheus.pressure_samples(Resource.MEMORY, STEPS))
        await only(prometheus.connection_samples(STEPS))

    hosts = [request.url.host for request in wire.requests]
    assert hosts == ["prometheus.example"] * 6 + ["viz.example"] * 16
    assert prometheus.connections_api.url == "http://viz.example:9090"


async def test_without_a_provider_no_mesh_is_queried() -> None:
    """The provider `none` sends no query and yields nothing."""
    wire = ScriptedPrometheus(answer())
    async with source(wire, "none") as prometheus:
        assert [samples async for samples in prometheus.connection_samples(STEPS)] == []

    assert wire.requests == []
    assert prometheus.network_provider_in_use == "none"


@pytest.mark.parametrize(("provider", "in_use"), [("auto", "none"), ("linkerd", "linkerd")])
async def test_a_cluster_without_a_mesh(provider: str, in_use: str) -> None:
    """Without series of a mesh the samples have no edges and no sources; it is no error."""
    async with source(ScriptedPrometheus(answer()), provider) as prometheus:
        samples = await only(prometheus.connection_samples(STEPS))

    assert (samples.edges, samples.sources) == ((), ())
    assert samples.requests.shape == samples.responses.shape == samples.scraped.shape == (0, 4)
    assert prometheus.network_provider_in_use == in_use


EVERY_LABEL = EDGE | CONTAINER | dict.fromkeys(EDGE_LABELS, "x") | {"part": "0"}
FAULTS: dict[str, tuple[Reply, str]] = {
    "500": (httpx.Response(500, json={"status": "error", "error": "disk on fire"}), "HTTPError"),
    "HTML 502": (httpx.Response(502, text="<html>"), "HTTPError"),
    "time-out": (httpx.ReadTimeout("slow"), "TimedOut"),
    "refused": (httpx.ConnectError("refused"), "Unreachable"),
    "warnings": (
        answer(row(EVERY_LABEL, [(FIRST, "1")]), warnings=["a store is gone"]),
        "PartialAnswer",
    ),
    "error": (httpx.Response(200, json={"status": "error", "error": "no"}), "QueryFailed"),
    "histogram": (answer(row(CONTAINER, [], histograms=[[FIRST, {"sum": "1"}]])), "NativeHistogram"),
    "truncated": (httpx.Response(200, text='{"status":"success","data":{"resul'), "MalformedAnswer"),
    "off the grid": (answer(row(EVERY_LABEL, [(FIRST + 1, "1")])), "MalformedAnswer"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("healthy", [0, 2, 4], ids=["first", "third", "last"])
async def test_one_fault_fails_the_whole_result(fault: Any, reason: str, healthy: int) -> None:
    """If any of the five queries on connections fails, no result of the others is used."""
    wire = ScriptedPrometheus(*[answer()] * healthy, fault)
    async with source(wire) as prometheus:
        with pytest.raises(SourceError) as caught:
            await only(prometheus.connection_samples(STEPS))

    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
async def test_faults_of_container_samples(fault: Any, reason: str) -> None:
    """The same errors, for CPU."""
    async with source(ScriptedPrometheus(fault)) as prometheus:
        with pytest.raises(SourceError) as caught:
            await usage(prometheus.container_samples(Resource.CPU, STEPS))

    assert caught.value.reason == reason


async def test_the_shown_address_has_no_credentials() -> None:
    """The URL has no user and password."""
    async with source(ScriptedPrometheus(answer())) as prometheus:
        assert prometheus.url == "http://prometheus.example:9090"

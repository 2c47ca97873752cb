"""The longest texts of queries: VictoriaMetrics refuses more than 16 KiB, as many names as there are."""

from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest

from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.queries import Scope
from tests.conftest import VictoriaMetricsFactory
from tests.histories.proxies import ProxyHistory
from tests.sources.collecting import usage
from tests.sources.edge_figures import END, HALF_HOUR, serve
from tests.sources.wire import answer, parts_of, row

_MOST_BYTES = 16 << 10
NAMES = tuple(f"team-{number:03}-{'x' * 54}" for number in range(150))
SCOPES = {
    "all": Scope(excluded=("kube-system",)),
    "many included": Scope(included=NAMES),
    "many excluded": Scope(excluded=NAMES[:140]),
    "a long name of the cluster": Scope(cluster="arn:aws:eks:eu-central-1:123456789012:cluster/" + "x" * 100),
}


class Server:
    """Answers with series of all namespaces for loads, and else with one that has all labels and Pods."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The series, at the end of the query's range."""
        if request.url.path.endswith("/label/__name__/values"):
            return httpx.Response(404)  # so that all providers are asked
        (query,), (end,) = (parse_qs(request.content.decode())[name] for name in ("query", "end"))
        self.texts.append(query)
        begin = query.partition("by (")[2].partition(")")[0].split(",")
        labels = dict.fromkeys(begin, "x")
        if "(count_over_time(" in query[:200]:
            return answer(*(row(labels | {begin[0]: name}, [(int(end), "20000")]) for name in NAMES))
        pod = {"namespace": NAMES[-1], "pod": "web-6b6f9d7d5c-2x8qz", "deployment": "web"}
        rows = (row(labels | pod | {"part": number}, [(int(end), "2")]) for number, _ in parts_of(query))
        return answer(*rows)


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("steps", [HALF_HOUR, StepRange(HALF_HOUR.last - 12, HALF_HOUR.last)], ids=len)
async def test_no_query_is_too_long(scope: Scope, steps: StepRange) -> None:
    """150 namespaces with names of 63 characters, in one shard or in many; both meshes have duplicates.

    Before, a query on OOM kills in a shard of 40 namespaces had 27,000 characters, and one on Istio 39,000.
    """
    server = Server()
    async with PrometheusSource(
        "http://p:9090",
        scope=scope,
        limits=Limits(sample_budget=20_000_000, queries_per_cycle=100),
        transport=httpx.MockTransport(server.answer),
    ) as source:
        for resource in Resource:
            async for _ in source.container_samples(resource, steps):
                pass
            async for _ in source.pressure_samples(resource, steps):
                pass
        await source.pod_owners(steps)
        async for _ in source.connection_samples(steps):
            pass

    longest = max(server.texts, key=len)
    print(len(server.texts), "queries, the longest has", len(longest), "characters")
    assert len(longest) <= _MOST_BYTES, longest[:300]


@pytest.mark.prometheus
async def test_victoria_metrics_answers_on_many_namespaces(
    victoria_metrics_factory: VictoriaMetricsFactory, tmp_path: object
) -> None:
    """150 included namespaces, one with a container of 0.5 cores: their names thrice are 29,000 bytes."""
    history = ProxyHistory(END)
    labels = {"namespace": NAMES[7], "pod": "web-0", "container": "web", "id": "/kubepods/a", "cpu": "total"}
    history.count("container_cpu_usage_seconds_total", labels, 0.5)
    history.add("container_memory_working_set_bytes", labels, history.scrapes(), np.full(121, 1e6))
    url = serve(history, victoria_metrics_factory, tmp_path)  # type: ignore[arg-type]

    async with PrometheusSource(url, scope=Scope(included=NAMES)) as source:
        samples = await usage(source.container_samples(Resource.CPU, HALF_HOUR))

    np.testing.assert_allclose(samples.values, [[0.5] * 6])

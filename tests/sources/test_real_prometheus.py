"""The constant past of emojivoto in a real Prometheus: every number is that of its description.

The past is three days long, scraped once a minute, and ends at 15:00 UTC, so its last 24 hours include all of
the six hours after midnight in which web-api calls emoji.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from app.domain.pod_names import PodNames
from app.domain.profiles import Resource
from app.errors import RefusedQueryError, SourceError
from app.history.connection_history import ConnectionHistory
from app.history.samples import PodContainer, StepRange
from app.history.usage_history import UsageHistory
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.histories.emojivoto.description import DEPLOYMENTS, NAMESPACE
from tests.histories.emojivoto.metrics import write_past
from tests.recommendation.builders import recommend
from tests.sources.collecting import only, usage

pytestmark = pytest.mark.prometheus

MIDNIGHT = 1_772_323_200  # 2026-03-01 00:00 UTC
END = MIDNIGHT + 15 * 3600
LAST_STEP = END // 300
LAST_DAY = StepRange(LAST_STEP - 287, LAST_STEP)
ROLLOUT = LAST_STEP - 2 * 288  # the last step of web's older Pods

Open = Callable[[Scope], PrometheusSource]


@pytest.fixture(scope="module")
def emojivoto(
    prometheus_factory: Callable[[Path | None], Prometheus], tmp_path_factory: pytest.TempPathFactory
) -> Prometheus:
    path = tmp_path_factory.mktemp("past") / "constant.openmetrics"
    write_past(path, end=END, days=3, scrape_seconds=60, flavour="constant")
    return prometheus_factory(path)


@pytest.fixture
async def source(emojivoto: Prometheus) -> AsyncIterator[PrometheusSource]:
    scope = Scope(included=(NAMESPACE,), excluded=("kube-system",))
    async with PrometheusSource(emojivoto.url, scope=scope) as opened:
        yield opened


def usage_of_newer_pods() -> dict[PodContainer, tuple[float, float]]:
    """Cores and bytes of every container that runs on the last day."""
    return {
        PodContainer(NAMESPACE, pod, container): (usage.cpu_cores, usage.memory_bytes)
        for deployment in DEPLOYMENTS.values()
        for pod in deployment.pods
        for container, usage in deployment.containers.items()
    }


@pytest.mark.parametrize(("number", "resource"), [(0, Resource.CPU), (1, Resource.MEMORY)])
async def test_containers_of_the_last_day(source: PrometheusSource, number: int, resource: Resource) -> None:
    """Each container has its number at each of the 288 steps; the result has no other series.

    The Pods' own cgroups, the pause containers and the init containers (terminated two days ago) are absent,
    and the duplicate scrape of the kubelet does not double the usage of web.
    """
    samples = await usage(source.container_samples(resource, LAST_DAY))

    expected = usage_of_newer_pods()
    assert set(samples.containers) == set(expected)
    for container, values in zip(samples.containers, samples.values, strict=True):
        np.testing.assert_allclose(values, np.full(288, expected[container][number]), rtol=1e-9)
    assert samples.unusable == 0


@pytest.mark.parametrize("resource", list(Resource))
async def test_many_steps_have_the_numbers_of_few(source: PrometheusSource, resource: Resource) -> None:
    """A day with the roll-out, in one answer with all series and in four that are aggregated.

    The kubelet is scraped twice, containers begin and end.
    """
    day = StepRange(ROLLOUT - 143, ROLLOUT + 144)
    whole = await usage(source.container_samples(resource, day))
    for first in range(day.first, day.last, 72):
        part = await usage(source.container_samples(resource, StepRange(first, first + 71)))
        rows = [whole.containers.index(container) for container in part.containers]
        columns = slice(first - day.first, first - day.first + 72)
        np.testing.assert_array_equal(whole.values[rows, columns], part.values)
        assert np.isfinite(whole.values[:, columns]).sum() == np.isfinite(part.values).sum()


async def test_the_rollout(source: PrometheusSource) -> None:
    """Older Pods have every step up to the roll-out, newer ones every step after it.

    A rate needs two scrapes in a step. The init containers of the newer Pods are present.
    """
    around = StepRange(ROLLOUT - 2, ROLLOUT + 3)
    samples = await usage(source.container_samples(Resource.CPU, around))
    web = {
        container.pod: np.isfinite(values).tolist()
        for container, values in zip(samples.containers, samples.values, strict=True)
        if container.container == "web-svc"
    }
    older, newer = [True] * 3 + [False] * 3, [False] * 3 + [True] * 3
    assert web == dict.fromkeys(DEPLOYMENTS["web"].older_pods, older) | dict.fromkeys(
        DEPLOYMENTS["web"].pods, newer
    )
    init = [container.pod for container in samples.containers if container.container == "linkerd-init"]
    assert set(init) == set(DEPLOYMENTS["web"].pods)


async def test_connections_of_the_last_day(source: PrometheusSource) -> None:
    """Requests and responses per second of the description, summed over Pods and classifications.

    web-api calls emoji in the 72 steps up to 06:00 (4 requests a second) and is scraped in all 288.
    """
    samples = await only(source.connection_samples(LAST_DAY))

    assert samples is not None
    rates = {
        (edge.source.name, edge.destination.name): (requests, responses)
        for edge, requests, responses in zip(samples.edges, samples.requests, samples.responses, strict=True)
    }
    assert set(rates) == {("vote-bot", "web"), ("web", "emoji"), ("web", "voting"), ("web-api", "emoji")}
    for ends, expected in {
        ("vote-bot", "web"): (2.0, 2.0),
        ("web", "emoji"): (2.0, 2.0),
        ("web", "voting"): (1.0, 0.9),
    }.items():
        np.testing.assert_allclose(rates[ends], np.transpose([expected] * 288), rtol=1e-9)
    requests = np.nan_to_num(rates["web-api", "emoji"][0])
    midnight = MIDNIGHT // 300 - LAST_DAY.first
    calling = np.zeros(288)
    calling[midnight + 1 : midnight + 73] = 4.0
    np.testing.assert_allclose(requests, calling, rtol=1e-9, atol=1e-12)
    assert np.isnan(rates["web-api", "emoji"][0]).sum() > 200
    assert {source.name for source in samples.sources} == set(DEPLOYMENTS)
    assert samples.scraped.all()
    assert source.network_provider_in_use == "linkerd"


async def test_the_profiles_computed_by_hand(source: PrometheusSource) -> None:
    """Folded and derived, two days and 9 hours of a third (t = 2.375) give the values of constant usage.

    The history begins at 15:00: CPU is raised by .5 / 3.375^3 = .013006. Steady memory has no raise.
    The width of three equal days is .1 / 3, at which e^.14 = 1.150274 times the maximum costs least:
    there e^x = 6 (45 y^-2.5 + .5 y^-1.5) for y = 1 + 60 x, and the values are .02 apart, in single
    precision.
    """
    everything = StepRange(LAST_STEP - 3 * 288 + 1, LAST_STEP)
    history = UsageHistory(timeslots=4, retained_days=15)
    connections = ConnectionHistory()
    names = PodNames()
    for part in everything.by_day():
        for resource in Resource:
            history.fold(await usage(source.container_samples(resource, part)), names.workload)
        samples = await only(source.connection_samples(part))
        assert samples is not None
        connections.fold(samples)

    values = {
        (profile.workload.name, resource): profile.value
        for resource in Resource
        for profile in recommend(history, resource, EstimationPolicy(), newest_step=LAST_STEP).profiles
    }
    assert values == {
        ("web", Resource.CPU): "0.021",
        ("voting", Resource.CPU): "0.010",
        ("emoji", Resource.CPU): "0.009",
        ("vote-bot", Resource.CPU): "0.005",
        ("web-api", Resource.CPU): "0.426",
        ("web", Resource.MEMORY): "23005478",
        ("voting", Resource.MEMORY): "19554656",
        ("emoji", Resource.MEMORY): "19554656",
        ("vote-bot", Resource.MEMORY): "13803286",
        ("web-api", Resource.MEMORY): "355434640",
    }
    per_minute = {
        (mean.connection.source.name, mean.connection.destination.name): (
            f"{mean.requests_per_minute:.2f}",
            f"{mean.responses_per_minute:.2f}",
        )
        for mean in connections.means()
    }
    assert per_minute == {
        ("vote-bot", "web"): ("120.00", "120.00"),
        ("web", "emoji"): ("120.00", "120.00"),
        ("web", "voting"): ("60.00", "54.00"),
        ("web-api", "emoji"): ("60.00", "60.00"),
    }


async def test_a_scope_without_the_namespace(emojivoto: Prometheus) -> None:
    """The past has only emojivoto: another scope has no containers, edges or sources."""
    async with PrometheusSource(emojivoto.url, scope=Scope(included=("shop",))) as shop:
        assert (await usage(shop.container_samples(Resource.CPU, LAST_DAY))).containers == ()
        samples = await only(shop.connection_samples(LAST_DAY))
        assert samples is not None
        assert samples.edges == ()
    async with PrometheusSource(emojivoto.url, scope=Scope(excluded=(NAMESPACE,))) as rest:
        samples = await only(rest.connection_samples(LAST_DAY))
        assert samples is not None
        assert samples.sources == ()


async def test_a_query_that_prometheus_refuses(emojivoto: Prometheus) -> None:
    """A query that can't be parsed is 400, is not retried, and the message has Prometheus' error."""
    traffic = QueryCosts()
    async with PrometheusSource(emojivoto.url, scope=Scope(), observer=traffic) as source:
        with pytest.raises(SourceError) as caught:
            await source.api.query_range("sum(", (), LAST_DAY)

    assert caught.value.reason == "HTTPError"
    assert str(caught.value).startswith("Prometheus answered 400 Bad Request: bad_data: ")
    assert traffic.retries.total() == 0


async def test_a_server_that_answers_others_is_not_away(source: PrometheusSource) -> None:
    """The error of a query is the query's own on a server that works; without one it stays as it is."""
    error = SourceError("Unreachable", "server disconnected")

    assert isinstance(await source.api.narrowed(error, LAST_DAY), RefusedQueryError)
    async with PrometheusApi("http://127.0.0.1:1", timeout_seconds=5) as away:
        assert await away.narrowed(error, LAST_DAY) is error


@pytest.mark.parametrize(
    "query",
    ["quantile by (namespace,pod,container)(2, {})", "max by (namespace,pod,container)(rate({}[5m]))"],
)
async def test_annotations_are_no_partial_answer(emojivoto: Prometheus, query: str) -> None:
    """Prometheus 3 warns of a quantile of 2 and of the rate of a gauge, in a complete answer; 2.42 does not.

    The quantile is +Inf, which is no usable number.
    """
    async with PrometheusSource(emojivoto.url, scope=Scope()) as source:
        selector = 'container_memory_working_set_bytes{container!="",container!="POD"}'
        labels, step = ("namespace", "pod", "container"), StepRange(LAST_STEP, LAST_STEP)
        result = await source.api.query_range(query.replace("{}", selector), labels, step)

    assert len(result.keys) == len(usage_of_newer_pods())


async def test_an_empty_prometheus(
    prometheus_factory: Callable[[Path | None], Prometheus],
) -> None:
    """Without series, results are complete and empty. Stopped, it can't be reached; restarted, it answers."""
    prometheus, traffic = prometheus_factory(None), QueryCosts()
    async with PrometheusSource(prometheus.url, scope=Scope(), observer=traffic) as empty:
        assert (await usage(empty.container_samples(Resource.MEMORY, LAST_DAY))).containers == ()
        samples = await only(empty.connection_samples(LAST_DAY))
        assert samples is not None
        assert (samples.edges, samples.sources) == ((), ())
        assert empty.network_provider_in_use == "none"
        prometheus.stop()
        with pytest.raises(SourceError) as caught:
            await usage(empty.container_samples(Resource.MEMORY, LAST_DAY))
        assert caught.value.reason == "Unreachable"
        assert traffic.retries.total() == 2
        prometheus.start()
        assert (await usage(empty.container_samples(Resource.MEMORY, LAST_DAY))).containers == ()

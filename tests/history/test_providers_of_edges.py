"""An edge that several providers count: each in a row of its own, of which the best one gives the mean."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload
from app.history.checkpoint.arrays import connection_arrays, read_connections
from app.history.connection_history import ConnectionHistory, ConnectionMean
from app.history.samples import ConnectionSamples
from app.sources.connections.edges import concatenate_samples
from tests.recommendation.builders import WEB, steps, traffic

EDGE = Connection(WEB, Workload("emojivoto", "voting"))
OTHER = Connection(WEB, Workload("emojivoto", "mail"))


def counted_by(
    provider: Provider, samples: ConnectionSamples, *, one_in: float | None = None
) -> ConnectionSamples:
    """The *samples* as *provider* counts them, which looks at *one_in* so many requests or packets."""
    nothing = np.full(samples.requests.shape, np.nan)
    http = np.full(len(samples.edges), Protocol.HTTP, dtype=np.uint8)
    return replace(
        samples,
        request_bytes=nothing if samples.request_bytes is None else samples.request_bytes,
        response_bytes=nothing if samples.response_bytes is None else samples.response_bytes,
        reporters=samples.edge_reporters,
        protocols=http if samples.protocols is None else samples.protocols,
        providers=np.full(len(samples.edges), provider, dtype=np.uint8),
        source_providers=np.full(len(samples.sources), provider, dtype=np.uint8),
        sampling={provider: one_in} if one_in else {},
    )


def requests(provider: Provider, rate: float, *, one_in: float | None = None) -> ConnectionSamples:
    """Requests per second in an hour, with as many responses."""
    return counted_by(provider, traffic(steps(1, 12), {EDGE: (rate, rate)}, {WEB: True}), one_in=one_in)


def flow(provider: Provider, rate: float, *, one_in: float | None = None) -> ConnectionSamples:
    """Bytes per second in an hour, without requests."""
    samples = traffic(steps(1, 12), {EDGE: (np.nan, np.nan)}, {WEB: True})
    rates = np.full((1, 12), rate)
    tcp = np.array([Protocol.TCP], dtype=np.uint8)
    samples = replace(samples, request_bytes=rates, response_bytes=rates, protocols=tcp)
    return counted_by(provider, samples, one_in=one_in)


def only_mean(*samples: ConnectionSamples) -> ConnectionMean:
    (mean,) = of_one_result(*samples).means()
    return mean


def of_one_result(*samples: ConnectionSamples) -> ConnectionHistory:
    """The history after a result with the *samples* of several providers."""
    history = ConnectionHistory()
    history.fold(concatenate_samples(samples))
    return history


def test_what_counts_requests_goes_first() -> None:
    """Bytes of every packet beside requests of which one in 50 is traced: the requests count, once.

    One request and one response a second are 60 and 60 a minute; the flow's bytes are not added.
    """
    for order in (1, -1):
        both = [flow(Provider.NETOBSERV, 900.0), requests(Provider.SERVICE_GRAPH, 1.0, one_in=50)][::order]
        mean = only_mean(*both)
        assert mean.counting == (Provider.SERVICE_GRAPH, 50)
        assert mean.requests_per_minute == pytest.approx(60)
        assert mean.request_bytes_per_second is None


def test_a_mesh_that_sees_only_bytes_gives_way_to_requests() -> None:
    """Linkerd has an opaque port's 900 bytes a second, traces have two requests: 120 a minute."""
    mean = only_mean(flow(Provider.LINKERD, 900.0), requests(Provider.SERVICE_GRAPH, 2.0, one_in=10))

    assert (mean.counting.providers, mean.protocol) == (Provider.SERVICE_GRAPH, Protocol.HTTP)
    assert mean.requests_per_minute == pytest.approx(120)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (flow(Provider.NETOBSERV, 100.0, one_in=50), flow(Provider.BEYLA, 300.0), Provider.BEYLA),
        (flow(Provider.NETOBSERV, 100.0), flow(Provider.BEYLA, 300.0), Provider.NETOBSERV),
        (requests(Provider.SERVICE_GRAPH, 1.0, one_in=2), requests(Provider.HUBBLE, 1.0), Provider.HUBBLE),
        (requests(Provider.HUBBLE, 1.0), requests(Provider.LINKERD, 1.0), Provider.LINKERD),
    ],
    ids=["samples less", "the first of two that sample nothing", "requests", "a mesh"],
)
def test_what_samples_least_goes_first_among_equals(
    first: ConnectionSamples, second: ConnectionSamples, expected: Provider
) -> None:
    """Two providers that both count requests, or both bytes alone: the one with the smaller ratio counts."""
    assert only_mean(first, second).counting.providers == expected
    assert only_mean(second, first).counting.providers == expected


def test_the_counts_of_two_meshes_are_added_up() -> None:
    """A Pod has the proxy of one mesh only: a request a second of each are two, 120 a minute."""
    both = replace(
        traffic(steps(1, 12), {EDGE: (2.0, 2.0)}, {WEB: True}),
        providers=np.array([Provider.LINKERD | Provider.ISTIO], dtype=np.uint8),
    )
    history = ConnectionHistory()
    history.fold(both)
    history.fold(counted_by(Provider.ISTIO, traffic(steps(13, 24), {EDGE: (1.0, 1.0)}, {WEB: True})))

    (mean,) = history.means()

    assert mean.counting.providers.names == ("linkerd", "istio")
    assert mean.requests_per_minute == pytest.approx((12 * 120 + 12 * 60) / 24)


def test_each_provider_has_its_own_silence() -> None:
    """Linkerd was scraped in the first of two hours, agents in both: an outage of proxies is no silence.

    Linkerd's edge has 60 requests a minute in the hour that it saw: half of that if the agents' hour counted
    for it. The agents' edge to another server has 100 bytes a second in the first hour: 50 in both.
    """
    hour = np.full((1, 24), np.nan)
    hour[0, :12] = 100.0
    by_agents = counted_by(
        Provider.NETOBSERV,
        replace(
            traffic(steps(1, 24), {OTHER: (np.nan, np.nan)}, {WEB: True}),
            request_bytes=hour,
            response_bytes=hour,
        ),
    )
    of_linkerd = traffic(
        steps(1, 24), {EDGE: ([1.0] * 12 + [np.nan] * 12, 0.0)}, {WEB: [True] * 12 + [False] * 12}
    )
    history = of_one_result(counted_by(Provider.LINKERD, of_linkerd), by_agents)

    means = {mean.connection: mean for mean in history.means()}

    assert means[EDGE].requests_per_minute == pytest.approx(60)
    assert means[OTHER].request_bytes_per_second == pytest.approx(50)


def test_the_providers_are_in_the_check_point() -> None:
    """Rows of one edge by two providers survive; a check-point of an older release has those of meshes."""
    history = of_one_result(flow(Provider.NETOBSERV, 900.0), requests(Provider.LINKERD, 1.0))
    arrays = dict(connection_arrays(history))

    restored = read_connections(arrays, [EDGE, EDGE], [WEB, WEB])
    restored.newest_step = history.newest_step

    assert list(restored.edges) == list(history.edges)
    assert list(restored.sources) == list(history.sources)
    assert [mean.counting.providers for mean in restored.means()] == [Provider.LINKERD]

    older = ConnectionHistory()
    older.fold(requests(Provider.LINKERD, 1.0))
    arrays = dict(connection_arrays(older))
    del arrays["connections/providers"], arrays["connections/source_providers"]
    restored = read_connections(arrays, [EDGE], [WEB])
    restored.newest_step = older.newest_step
    assert [mean.counting.providers.names for mean in restored.means()] == [()]
    restored.fold(counted_by(Provider.ISTIO, traffic(steps(13, 24), {EDGE: (1.0, 1.0)}, {WEB: True})))
    (mean,) = restored.means()
    assert (mean.counting.providers, mean.scraped_steps) == (Provider.ISTIO, 24)


def test_a_provider_that_samples_no_more_counts_all() -> None:
    """NetObserv's agents looked at one packet in 50, and look at each since a setting changed."""
    history = of_one_result(flow(Provider.NETOBSERV, 900.0, one_in=50))
    assert [mean.counting.one_in for mean in history.means()] == [50]

    later = replace(flow(Provider.NETOBSERV, 900.0), steps=steps(13, 24))
    history.fold(later)

    assert [mean.counting.one_in for mean in history.means()] == [1]

"""Labels of one Pod that change, in real servers: they cost no edge."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.domain.workloads import Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.victoria_metrics import VictoriaMetrics
from tests.conftest import PrometheusFactory, VictoriaMetricsFactory
from tests.histories.meshes import SCRAPE_SECONDS, Counter, LinkerdPod, linkerd_edge
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.histories.shop import CART, DB, WEB
from tests.sources.collecting import only

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
HALF_HOUR = StepRange(END // 300 - 5, END // 300)
PODS = ClusterSnapshot({("shop", CART.pod): Workload("shop", "cart")}, (Workload("shop", "web"),))
CHANGED = END - 1650  # in the middle of a step, which so has samples of both labels


def edges_of(pod: LinkerdPod) -> Iterator[Counter]:
    yield from linkerd_edge(
        pod, DB, "10.42.1.1", requests=2.0, responses={"success": 1.0}, written=10.0, read=20.0
    )


def with_label(pod: LinkerdPod, **labels: str) -> LinkerdPod:
    return replace(pod, own={**pod.own, **labels})


def write_history(path: Path, label: str) -> None:
    """An hour of `web`, whose labels do not change, and of `cart`, whose own *label* does."""
    times = np.arange(END - 3600, END + 1, SCRAPE_SECONDS, dtype=np.int64)
    lives = (
        (WEB, times),
        (with_label(CART, **{label: "2"}), times[times <= CHANGED]),
        (with_label(CART, **{label: "3"}), times[times > CHANGED]),
    )
    series: dict[str, list[Series]] = {"up": []}
    for pod, alive in lives:
        series["up"].append(Series(pod.labels, alive, np.ones(len(alive))))
        for counter in edges_of(pod):
            series.setdefault(counter.metric, []).append(counter.series(alive))
    write_openmetrics(path, map(_family, series, series.values()))


def _family(metric: str, series: Iterable[Series]) -> Family:
    return Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))


@pytest.mark.parametrize("label", ["replicas", "version", "part"])
async def test_a_changed_label_of_a_pod_costs_no_edge(
    label: str, metric_server_factory: PrometheusFactory | VictoriaMetricsFactory, tmp_path: Path
) -> None:
    """Scraping makes the Pod's label a metric label, also one with the name that the query itself adds.

    Two series of cart are alive in one step: after 150 s the first is extrapolated by half an interval to 165
    of 300 s, the second to 135, which together are 2 requests a second: 120 a minute, like those of web.
    VictoriaMetrics extrapolates nothing: it loses the 30 s between two scrapes of 1800, so that 118 are left.
    Its `rate` would count both parts for all of the step, 140 in all.
    """
    path = tmp_path / "labels.openmetrics"
    write_history(path, label)
    server = metric_server_factory(path)
    async with PrometheusSource(server.url, scope=Scope(), network_providers=("linkerd",)) as source:
        samples = await only(source.connection_samples(HALF_HOUR))
    assert samples is not None
    history = ConnectionHistory()
    history.fold(resolve(samples, Attribution(PODS)))

    rates = {str(mean.connection): round(mean.requests_per_minute, 3) for mean in history.means()}
    assert rates == {
        "shop/web → StatefulSet/storage/db": 120.0,
        "shop/cart → StatefulSet/storage/db": 118.0 if isinstance(server, VictoriaMetrics) else 120.0,
    }
    assert samples.steps == StepRange(HALF_HOUR.first, HALF_HOUR.last)

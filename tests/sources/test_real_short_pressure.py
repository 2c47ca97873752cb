"""Pressure in short lives in real servers: throttling and stalls are shares of the time that was seen.

Containers are scraped each 15 s, from 10 seconds after the begin of the step that ends at 14:00.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.profiles import Pressure, Resource
from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import only

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
STEP = END // 300
PERIODS_PER_SECOND = 10.0
METRICS = {
    "periods": "container_cpu_cfs_periods_total",
    "throttled": "container_cpu_cfs_throttled_periods_total",
    "waiting": "container_pressure_cpu_waiting_seconds_total",
    "stalled": "container_pressure_memory_stalled_seconds_total",
}


@dataclass(frozen=True)
class Life:
    """Seconds that are seen, the shares of them, and the part of the time after which throttling begins."""

    seconds: int = 120
    throttled: float | None = None
    waiting: float = 0.0
    stalled: float = 0.0
    throttled_from: float = 0.0

    def counters(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """The values of each counter at the scrapes."""
        times = np.arange(0, self.seconds + 1, 15, dtype=np.float64)
        yield "waiting", self.waiting * times
        yield "stalled", self.stalled * times
        if self.throttled is not None:
            begin = self.throttled_from * self.seconds
            rising = np.clip((times - begin) / (self.seconds - begin), 0, 1)
            yield "periods", 100 + PERIODS_PER_SECOND * times
            yield "throttled", self.throttled * PERIODS_PER_SECOND * self.seconds * rising


LIVES: Mapping[str, Life] = {
    "no-limit": Life(waiting=0.5),
    "limit-and-neighbours": Life(throttled=0.3, waiting=0.5),
    "limit-alone": Life(throttled=0.3, waiting=0.32),
    "late-throttling": Life(throttled=0.3, throttled_from=0.5, waiting=0.5),
    "half-a-minute": Life(seconds=30, waiting=0.1),
    "undisturbed": Life(waiting=0.04),
    "thrashing": Life(seconds=60, stalled=0.25),
}


@pytest.fixture(scope="module")
def server(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    series: dict[str, list[Series]] = {metric: [] for metric in METRICS.values()}
    usage = []
    for pod, life in LIVES.items():
        labels = {
            "job": "kubelet",
            "namespace": "ci",
            "pod": pod,
            "container": "app",
            "id": f"/kubepods/{pod}",
        }
        for name, values in life.counters():
            times = END - 290 + 15 * np.arange(len(values), dtype=np.int64)
            series[METRICS[name]].append(Series(labels, times, values))
        usage.append(Series(labels, times, np.full(len(times), 1e8)))
    path = tmp_path_factory.mktemp("pressure") / "pressure.openmetrics"
    families = [Family(metric, "counter", tuple(several)) for metric, several in series.items()]
    write_openmetrics(path, [*families, Family("container_memory_working_set_bytes", "gauge", tuple(usage))])
    return metric_server_factory(path)


async def shares(server: Prometheus, resource: Resource) -> dict[Pressure, dict[str, float]]:
    """The share of each kind and Pod in the step."""
    async with PrometheusSource(server.url, scope=Scope()) as source:
        kinds = await only(source.pressure_samples(resource, StepRange(STEP - 2, STEP)))
    return {
        samples.reason: {
            samples.containers[row].pod: share
            for row, step, share in zip(samples.rows, samples.at_steps, samples.shares, strict=True)
            if step == STEP
        }
        for samples in kinds
    }


async def test_short_lives_under_pressure_on_cpu(server: Prometheus) -> None:
    """Two minutes with 50 % waiting and 30 % throttled periods: 20 % are due to others, as in a long life.

    The waiting of the whole step would be 60 of 300 seconds, less than the throttling. Throttling that begins
    after a minute has the same share of the periods; `rate` extrapolates both counters differently. Half a
    minute with 10 % has 3 seconds of 300, which alone would not count.
    """
    found = await shares(server, Resource.CPU)

    throttled = ("limit-and-neighbours", "limit-alone", "late-throttling")
    assert found[Pressure.CPU_THROTTLING] == pytest.approx(dict.fromkeys(throttled, 0.3))
    assert found[Pressure.CPU_WAITING] == pytest.approx(
        {"no-limit": 0.5, "limit-and-neighbours": 0.2, "late-throttling": 0.2, "half-a-minute": 0.1}
    )


async def test_short_lives_under_pressure_on_memory(server: Prometheus) -> None:
    """A minute in which all tasks wait for memory in 25 % of the time; that is 5 % of the step."""
    assert (await shares(server, Resource.MEMORY))[Pressure.MEMORY_STALLED] == pytest.approx(
        {"thrashing": 0.25}
    )

"""The sample budget in a real Prometheus: what a query reads by the server's own count.

Four namespaces have five Pods each, scraped each 30 s for four hours up to 14:00 UTC: 10 samples of a series
in a step. Each container has one series of memory, and of CPU one for each of eight cores.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import usage

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
NAMESPACES, PODS, CORES, SAMPLES_PER_STEP = 4, 5, 8, 10
TWO_HOURS = StepRange(END // 300 - 23, END // 300)
CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
# Of CPU an hour of one namespace is 12 * 5 * 8 * (10 + 10 + 1) = 10,080 samples: a rate, a count, an instant.
BUDGET = 12_500


def series(metric: str) -> Iterator[Series]:
    times = np.arange(END - 4 * 3600 + 7, END + 1, 30, dtype=np.int64)
    cores = [f"cpu{number:02}" for number in range(CORES)] if metric == CPU else [""]
    for namespace in range(NAMESPACES):
        for pod in range(PODS):
            for core in cores:
                labels = {
                    "job": "kubelet",
                    "namespace": f"n{namespace}",
                    "pod": f"p{pod}",
                    "container": "app",
                }
                values = 0.1 * (times - times[0]) if core else np.full(len(times), 1e8)
                yield Series(labels | ({"cpu": core} if core else {}), times, values)


@dataclass
class LargestQuery(QueryCosts):
    """The samples that the largest query of each signal has read."""

    largest: dict[str, int] = field(default_factory=dict)

    def record_result(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """Count a query with a result."""
        super().record_result(signal, seconds=seconds, received_bytes=received_bytes, samples=samples)
        self.largest[signal] = max(samples, self.largest.get(signal, 0))


@pytest.fixture(scope="module")
def server(prometheus_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    path = tmp_path_factory.mktemp("budget") / "usage.openmetrics"
    cpu, memory = (tuple(series(metric)) for metric in (CPU, MEMORY))
    write_openmetrics(path, [Family(CPU, "counter", cpu), Family(MEMORY, "gauge", memory)])
    return prometheus_factory(path)


@pytest.mark.parametrize("resource", Resource)
async def test_no_query_reads_more_than_the_budget(server: Prometheus, resource: Resource) -> None:
    """Two hours of CPU are eight queries, of one namespace and one hour each; of memory one.

    By the number of containers, one query on CPU would have all namespaces and both hours: 80,640 samples.
    """
    costs = LargestQuery()
    limits = Limits(sample_budget=BUDGET, queries_per_cycle=100)
    async with PrometheusSource(server.url, scope=Scope(), limits=limits, observer=costs) as source:
        answer = await usage(source.container_samples(resource, TWO_HOURS))

    assert len(answer.containers) == NAMESPACES * PODS
    assert costs.queries[resource.value] == (8 if resource is Resource.CPU else 1)
    assert costs.largest[resource.value] <= BUDGET

"""CPU of short lives with uneven usage in real servers: the slope between the samples seen.

Containers are scraped each 30 s, at 10, 40, … 280 seconds of each step. Steps A and B end at 13:55 and 14:00.
"""

from collections.abc import Mapping

import numpy as np
import pytest

from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryCosts
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import usage

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
A_BEGIN = END - 600
A, B = END // 300 - 1, END // 300
CPU = "container_cpu_usage_seconds_total"

Bursts = Mapping[int, float]
# Per Pod: its first and last second, from the begin of A, and the CPU seconds that it used before a scrape.
LIVES: Mapping[str, tuple[int, int, Bursts]] = {
    "burst-first": (5, 215, {40: 60.0}),
    "burst-in-the-middle": (5, 215, {130: 60.0}),
    "burst-last": (5, 215, {190: 60.0}),
    "three-bursts": (5, 215, {40: 10.0, 100: 40.0, 190: 4.0}),
    "even": (5, 215, dict.fromkeys(range(40, 191, 30), 10.0)),
    "used-before-it-was-seen": (5, 215, {10: 15.0, 190: 60.0}),
    "two-scrapes": (95, 139, {130: 45.0}),
    "one-scrape": (95, 129, {100: 45.0}),
    "over-two-steps": (215, 440, {370: 90.0}),
    "goes-on": (155, 700, {460: 60.0}),
}
# Usage per second between the two samples; of `burst-first`: 60 CPU seconds between 10 and 190.
SLOPES: Mapping[str, Mapping[int, float]] = {
    **{pod: {A: 60 / 180} for pod in ("burst-first", "burst-in-the-middle", "burst-last", "even")},
    "three-bursts": {A: 54 / 180},
    "used-before-it-was-seen": {A: 60 / 180},
    "two-scrapes": {A: 45 / 30},
    "over-two-steps": {A: 0.0, B: 90 / 150},  # between 220 and 280; from the last scrape before B, at 280
}


def series(life: str, pod: str = "", cpu: str = "total") -> Series:
    """The counter of a container that lives so, in the only Pod of that name."""
    begin, end, bursts = LIVES[life]
    scrapes = np.arange(10, 601, 30, dtype=np.int64)
    scrapes = scrapes[(scrapes >= begin) & (scrapes <= end)]
    used = np.zeros(len(scrapes))
    for scrape, amount in bursts.items():
        used += amount * (scrapes >= scrape)
    own = {"namespace": "ci", "pod": pod or life, "container": "app", "cpu": cpu, "id": f"/kubepods/{life}"}
    return Series({"job": "kubelet", **own}, A_BEGIN + scrapes, used)


def namesake() -> Series:
    """A Pod of another namespace, which has run for hours: 60 CPU seconds in the middle of A."""
    scrapes = np.arange(-7190, 601, 30, dtype=np.int64)
    used = np.where(scrapes >= 160, 100_060.0, 100_000.0)
    return Series({**series("even").labels, "namespace": "shop"}, A_BEGIN + scrapes, used)


def reset() -> Series:
    """A container that is restarted, without the label `id`: 40 CPU seconds, then 20 from 0 on."""
    scrapes = np.arange(10, 191, 30, dtype=np.int64)
    values = np.array([1_000.0, 1_020.0, 1_040.0, 0.0, 10.0, 20.0, 20.0])
    return Series({**series("even").labels, "pod": "reset", "id": ""}, A_BEGIN + scrapes, values)


@pytest.fixture(scope="module")
def server(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    path = tmp_path_factory.mktemp("uneven") / "cpu.openmetrics"
    cores = [series("burst-first", "cores", f"cpu{number}") for number in range(3)]
    write_openmetrics(path, [Family(CPU, "counter", (*map(series, LIVES), reset(), namesake(), *cores))])
    return metric_server_factory(path)


async def samples(
    server: Prometheus, steps: StepRange, namespace: str = "ci"
) -> Mapping[str, Mapping[int, float]]:
    """The samples of each Pod of *namespace* by step."""
    async with PrometheusSource(server.url, scope=Scope()) as source:
        answer = await usage(source.container_samples(Resource.CPU, steps))
    return {
        container.pod: {
            steps.first + column: float(values[column])
            for column in np.flatnonzero(np.isfinite(values)).tolist()
        }
        for container, values in zip(answer.containers, answer.values, strict=True)
        if container.namespace == namespace
    }


async def test_the_slope_between_the_samples_seen(server: Prometheus) -> None:
    """Whenever 60 CPU seconds are used in the 180 between seven scrapes, they are 0.333 cores.

    A regression line (`deriv`) gives 0.214 for the first burst and the last, and 0.429 for the one in the
    middle; `rate` gives 0.233. A life that one scrape sees has no sample in Prometheus.
    """
    seen = await samples(server, StepRange(A, B))

    assert {pod: seen[pod] for pod in SLOPES} == {
        pod: pytest.approx(slopes, rel=1e-6) for pod, slopes in SLOPES.items()
    }
    assert seen["cores"] == pytest.approx({A: 3 * 60 / 180})
    assert "one-scrape" not in seen


async def test_a_full_step_keeps_its_rate(server: Prometheus) -> None:
    """60 CPU seconds in the middle of a full step: Prometheus' `rate` takes the 270 between ten scrapes.

    That is 0.222; VictoriaMetrics', and the slope, take the 300 from the scrape before: 0.200. A regression
    line gives 0.303.
    """
    assert 0.2 <= (await samples(server, StepRange(A, B)))["goes-on"][B] <= 60 / 270 + 1e-9


async def test_an_old_container_of_the_same_name_keeps_its_rate(server: Prometheus) -> None:
    """The Pod `even` of another namespace: 0.222 by `rate`, from ten scrapes; 0.200 in VictoriaMetrics."""
    (alone,) = (await samples(server, StepRange(A, B), "shop")).values()

    assert alone == {A: pytest.approx(0.2 if alone[A] < 0.21 else 60 / 270), B: 0.0}


async def test_a_counter_that_is_reset_keeps_its_rate(server: Prometheus) -> None:
    """60 CPU seconds before and after a reset from 1,040 to 0: 0.233 by `rate`, 0.333 in VictoriaMetrics.

    The difference of the largest and the smallest value would be 1,040, that of the last and the first -980.
    """
    value = (await samples(server, StepRange(A, B)))["reset"][A]

    assert 60 / 300 < value <= 60 / 180 + 1e-9


async def test_one_step_alone_has_the_same_samples(server: Prometheus) -> None:
    """A cycle asks for few steps, a new leader for many: both get the same."""
    both = await samples(server, StepRange(A - 12, B))

    for step in (A, B):
        alone = await samples(server, StepRange(step, step))
        assert alone == {pod: {step: seen[step]} for pod, seen in both.items() if step in seen}


async def test_old_containers_cost_no_query(server: Prometheus) -> None:
    """The names of young Pods are asked for only where there are some."""
    costs = {}
    for end in (B, A - 12):
        costs[end] = QueryCosts()
        async with PrometheusSource(server.url, scope=Scope(), observer=costs[end]) as source:
            await usage(source.container_samples(Resource.CPU, StepRange(end, end)))

    assert [costs[end].queries[Resource.CPU.value] for end in costs] == [2, 1]

"""CPU of containers in real servers: short lives, restarts, single cores and duplicates.

Histories are an hour long and end at 14:00 UTC; values are those of whole steps of 5 minutes up to 14:00.
Every counter rises evenly while its container runs, so that each value follows from the described cores.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.loopback_http import request_json
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import usage

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
BEGIN, LAST_STEP = END - 3600, END // 300
HALF_HOUR = StepRange(LAST_STEP - 5, LAST_STEP)
STEP_BEGIN = END - 900  # of the third step from the end
CPU = "container_cpu_usage_seconds_total"
KUBELET = {"job": "kubelet", "metrics_path": "/metrics/cadvisor", "instance": "10.0.0.5:10250", "node": "n1"}


@dataclass(frozen=True)
class Run:
    """One run of the container `app` of a Pod: its cores, and the first and last second of its life.

    It is scraped each *scrape_seconds*, *phase* seconds after the first second of the history.
    """

    pod: str
    cores: float = 1.0
    begin: int = BEGIN - 86_400
    end: int = END
    scrape_seconds: int = 30
    phase: int = 7
    cgroup: str = "1"

    def scrapes(self) -> NDArray[np.int64]:
        """The times at which the container is seen."""
        times = np.arange(BEGIN + self.phase, END + 1, self.scrape_seconds, dtype=np.int64)
        return times[(times >= self.begin) & (times <= self.end)]

    def series(self, **labels: str) -> Series:
        """Its counter in cAdvisor's labels, with others in their place."""
        cgroup = f"/kubepods.slice/{self.pod}/{self.cgroup}"
        own = {"namespace": "shop", "pod": self.pod, "container": "app", "id": cgroup, "image": "app:1"}
        times = self.scrapes()
        return Series(
            {**KUBELET, **own, "cpu": "total", **labels}, times, np.float64(self.cores) * (times - self.begin)
        )


Samples = Mapping[str, Mapping[int, float]]
SCRAPE_SECONDS = (15, 30, 60, 120)
EVERYWHERE = range(-5, 1)
SHORT = [
    Run(f"s{scrape}-{seconds}-{at}", 1.0, STEP_BEGIN + at, STEP_BEGIN + at + seconds, scrape)
    for scrape in SCRAPE_SECONDS
    for seconds in (55, 120, 200, 280)
    for at in (11, 160, 250)
]
LONG = [f"{age}-{scrape}" for age in ("old", "young") for scrape in SCRAPE_SECONDS]
PAIRS: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "two-kubelet-jobs": ({"job": "kubelet"}, {"job": "kubelet-of-another-operator", "service": "old"}),
    "two-prometheus-replicas": ({"prometheus_replica": "a"}, {"prometheus_replica": "b"}),
    "cadvisor-and-resource-endpoint": ({}, {"metrics_path": "/metrics/resource", "id": "", "image": ""}),
    "two-cgroups-of-one-container": ({"id": "/kubepods/a"}, {"id": "/system.slice/crio-a.scope"}),
    "kubelet-and-stand-alone-cadvisor": ({}, {"job": "cadvisor", "instance": "10.42.0.9:8080"}),
}
CORES = {"total": ("total",), "per-core": ("cpu00", "cpu01")}


def long_lives() -> Iterator[Series]:
    """Usage that changes from second to second, of containers that are older than all steps or two steps."""
    for scrape in SCRAPE_SECONDS:
        run = Run(f"old-{scrape}", scrape_seconds=scrape)
        times = run.scrapes()
        counts = 5000 + np.cumsum(np.random.default_rng(7).pareto(1.5, len(times)))
        yield Series(run.series().labels, times, counts)
        later = times > HALF_HOUR.start_seconds - 900
        yield Series(Run(f"young-{scrape}").series().labels, times[later], counts[later] - 5000)


def restarts() -> Iterator[Series]:
    """A container that restarts in a step: with a series for each run, and with one for both."""
    runs = [Run("restarted", end=STEP_BEGIN + 140), Run("restarted", begin=STEP_BEGIN + 150, cgroup="2")]
    yield from (run.series() for run in runs)
    times, values = (
        np.concatenate(parts)
        for parts in zip(*((run.series().times, run.series().values) for run in runs), strict=True)
    )
    yield Series(runs[0].series(pod="without-id", id="").labels, times, values)


def duplicates() -> Iterator[Series]:
    """Each pair of scrapers; the Pod's own cgroup and its pause container use as much once more."""
    for pair, scrapers in PAIRS.items():
        for kind, cores in CORES.items():
            for phase, scraper in zip((7, 19), scrapers, strict=True):
                run = Run(f"{pair}-{kind}", 1.0 / len(cores), phase=phase)
                for cpu in cores:
                    for container in ("app", "", "POD"):
                        yield run.series(**{"cpu": cpu, **scraper, "container": container})


def single_cores() -> Iterator[Series]:
    """Four cores of a container, at 0.25 each."""
    short = Run("short-cores", 0.25, STEP_BEGIN + 20, STEP_BEGIN + 200)
    for number in range(4):
        yield from (
            run.series(cpu=f"cpu{number:02}") for run in (Run("cores", 0.25), Run("both", 0.25), short)
        )
    yield Run("both").series()
    yield Run("no-cores").series(cpu="")


def changed_label() -> Iterator[Series]:
    """A label of the node, copied by scraping, that changes: new series of old counters."""
    yield Run("relabelled", end=STEP_BEGIN + 130).series(node_pool="a")
    times = Run("relabelled").scrapes()
    later = times[times > STEP_BEGIN + 130]
    yield Series(Run("relabelled").series(node_pool="b").labels, later, np.float64(90_000) + later - BEGIN)


@pytest.fixture(scope="module")
def server(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    series = chain(
        (run.series() for run in SHORT),
        long_lives(),
        restarts(),
        duplicates(),
        single_cores(),
        changed_label(),
    )
    path = tmp_path_factory.mktemp("counters") / "cpu.openmetrics"
    write_openmetrics(path, [Family(CPU, "counter", tuple(series))])
    return metric_server_factory(path)


@pytest.fixture
async def samples(server: Prometheus) -> Samples:
    """The samples of each Pod by step, counted from the last one."""
    async with PrometheusSource(server.url, scope=Scope(included=("shop",))) as source:
        answer = await usage(source.container_samples(Resource.CPU, HALF_HOUR))
    return {
        container.pod: {
            step + HALF_HOUR.first - LAST_STEP: float(values[step])
            for step in np.flatnonzero(np.isfinite(values)).tolist()
        }
        for container, values in zip(answer.containers, answer.values, strict=True)
    }


def in_steps(steps: Iterable[int], cores: float = 1.0) -> object:
    """These samples at all of *steps*, and none else."""
    return pytest.approx(dict.fromkeys(steps, cores), rel=1e-6)


def test_short_lives(samples: Samples) -> None:
    """Containers that use 1 core for 55 to 280 seconds have samples of 1 core, wherever a step ends.

    `rate` gives 0.4 for 120 seconds: it divides by the 300 of the step. A life has a sample in a step if
    two scrapes see it; VictoriaMetrics uses the last scrape of the step before, too. Of the 48 lives, 35 are
    seen twice in a step.
    """
    seen = {run.pod: set(_steps_with_two_scrapes(run)) for run in SHORT}

    assert sum(map(bool, seen.values())) == 35
    for pod, steps in seen.items():
        assert steps <= samples.get(pod, {}).keys() <= {-2, -1}, pod
        assert samples.get(pod, {}) == in_steps(samples.get(pod, {})), pod


def _steps_with_two_scrapes(run: Run) -> Iterator[int]:
    steps = -(-(run.scrapes() - STEP_BEGIN) // 300) - 3
    return (int(step) for step, count in zip(*np.unique(steps, return_counts=True), strict=True) if count > 1)


def test_long_lives_keep_their_rates(server: Prometheus, samples: Samples) -> None:
    """Usage changes from second to second: every sample equals the server's own `rate` over the step.

    Of containers that began two steps before the first of these, and of some that are older than the history.
    """
    selector = f'{CPU}{{pod=~"{"|".join(LONG)}"}}'
    form = {"query": f"rate({selector}[5m])", "start": HALF_HOUR.start_seconds, "end": END, "step": 300}
    answer = request_json(f"{server.url}/api/v1/query_range?{urlencode(form)}")["data"]["result"]

    assert len(answer) == len(LONG)
    for row in answer:
        rates = {int(time) // 300 - LAST_STEP: float(rate) for time, rate in row["values"]}
        assert samples[row["metric"]["pod"]] == rates


def test_a_restart_within_a_step(samples: Samples) -> None:
    """A container that is restarted in the middle of a step has a new series: 1 core before and after.

    In that step `rate` gives at most 0.55. If scraping drops `id`, the series goes on from 0, and the rate of
    the whole step counts: at least 250 of 300 seconds, since up to 30 are lost on each side of the restart.
    """
    assert samples["restarted"] == in_steps(EVERYWHERE)
    assert samples["without-id"] == pytest.approx(dict.fromkeys(EVERYWHERE, 1.0), rel=0.17)


def test_cores_are_added_up(samples: Samples) -> None:
    """Four cores of a container at 0.25 are 1 core, of a short life too; beside a total, they count once.

    The kubelet's cAdvisor has one series with `cpu="total"`, others have one per core; the kubelet's
    `/metrics/resource` has no such label.
    """
    for pod in ("cores", "both", "no-cores"):
        assert samples[pod] == in_steps(EVERYWHERE)
    assert samples["short-cores"] == in_steps([-2])


@pytest.mark.parametrize("kind", CORES)
@pytest.mark.parametrize("pair", PAIRS)
def test_containers_that_are_scraped_twice(samples: Samples, pair: str, kind: str) -> None:
    """Each pair of scrapers sees 1 core, at times of its own: 1 core counts, as a total and as two halves."""
    assert samples[f"{pair}-{kind}"] == in_steps(EVERYWHERE)


def test_a_label_of_the_node_that_changes(samples: Samples) -> None:
    """In the step of the change each of two series has a part; `rate` gives at most 0.6 of the usage."""
    assert samples["relabelled"] == in_steps(EVERYWHERE)

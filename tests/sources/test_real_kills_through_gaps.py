"""OOM kills in real servers while kube-state-metrics is away, moves, or runs in shards.

The history ends at 14:00 UTC; scrapes are 30 s apart. Every container has been in the state `OOMKilled` once.
"""

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.conftest import PrometheusFactory
from tests.histories.openmetrics import Family, Series, write_openmetrics
from tests.sources.collecting import only

pytestmark = pytest.mark.prometheus

END = 1_772_373_600  # 2026-03-01 14:00 UTC
BEGIN = END - 4 * 3600
LAST_STEP = END // 300
RESTARTS = "kube_pod_container_status_restarts_total"
LAST_REASON = "kube_pod_container_status_last_terminated_reason"
REASON = "kube_pod_container_status_terminated_reason"
MEMORY = "container_memory_working_set_bytes"

# Of the second shard: it is away for 18 minutes up to 13:40; for 40, and for two hours.
GAPS = {
    "short": (END - 2280, END - 1200),
    "long": (END - 3600, END - 1200),
    "longest": (END - 8400, END - 1200),
}
BACK = LAST_STEP - 3  # the step of the first scrape after each gap
Times = NDArray[np.int64]


class Described:
    """Containers in the series of kube-state-metrics."""

    def __init__(self) -> None:
        self.series: dict[str, list[Series]] = {
            metric: [] for metric in (RESTARTS, LAST_REASON, REASON, MEMORY)
        }
        self._uids = count()

    def restarts(
        self,
        pod: str,
        number: Callable[[Times], NDArray[np.float64]],
        *targets: tuple[str, Times],
        since: int = BEGIN,
        uid: str = "",
    ) -> None:
        """The Pod's restarts, as each target sees them, by OOM kills *since* then."""
        uid = uid or str(next(self._uids))
        for instance, times in targets:
            labels = self._labels(pod, instance) | ({"uid": uid} if uid != "none" else {})
            self._add(RESTARTS, labels, times, number(times))
            killed = times[times >= since]
            self._add(LAST_REASON, labels | {"reason": "OOMKilled"}, killed, np.ones(len(killed)))

    def ended(self, pod: str, *targets: tuple[str, Times], since: int) -> None:
        """A Pod that is not restarted, in the state of its kill *since* then."""
        uid = str(next(self._uids))
        for instance, times in targets:
            labels, killed = self._labels(pod, instance) | {"uid": uid}, times[times >= since]
            self._add(RESTARTS, labels, times, np.zeros(len(times)))
            self._add(REASON, labels | {"reason": "OOMKilled"}, killed, np.ones(len(killed)))

    def _labels(self, pod: str, instance: str) -> dict[str, str]:
        names = {"namespace": pod.partition("-")[0], "pod": pod, "container": "app"}
        return {"job": "kube-state-metrics", "instance": instance, **names}

    def _add(self, metric: str, labels: dict[str, str], times: Times, values: NDArray[np.float64]) -> None:
        if len(times):
            self.series[metric].append(Series(labels, times, values))

    def families(self) -> Iterator[Family]:
        """All series, and memory of each Pod."""
        pods = {(each.labels["namespace"], each.labels["pod"]) for each in self.series[RESTARTS]}
        times = scrapes()
        for namespace, pod in sorted(pods):
            labels = {"job": "kubelet", "namespace": namespace, "pod": pod, "container": "app"}
            self._add(MEMORY, labels, times, np.full(len(times), 1e8))
        for metric, several in self.series.items():
            yield Family(metric, "counter" if metric == RESTARTS else "gauge", tuple(several))


def scrapes(begin: int = BEGIN, end: int = END) -> Times:
    """The times of scrapes in a part of the history."""
    times = np.arange(BEGIN + 5, END + 1, 30, dtype=np.int64)
    return times[(times >= begin) & (times <= end)]


def away(gap: tuple[int, int]) -> Times:
    """Scrapes but for those in *gap*."""
    times = scrapes()
    return times[(times <= gap[0]) | (times >= gap[1])]


def always(number: float) -> Callable[[Times], NDArray[np.float64]]:
    return lambda times: np.full(len(times), number)


def stepped(at: int, before: float = 0.0, after: float = 1.0) -> Callable[[Times], NDArray[np.float64]]:
    return lambda times: np.where(times >= at, after, before)


def described() -> Described:
    history = Described()
    history.restarts("first-shard", always(1), ("shard-0", scrapes()))
    for name, gap in GAPS.items():
        shard = (f"shard-{name}", away(gap))
        during = (gap[0] + gap[1]) // 2
        history.restarts(f"{name}-old", always(3), shard)
        history.restarts(f"{name}-killed", stepped(during, 3, 4), shard)
        history.ended(f"{name}-ended", shard, since=BEGIN)
        history.ended(f"{name}-ended-in-gap", shard, since=during)
        # Each shard has a new address when it is back.
        moved = (("old-1", scrapes(end=gap[0])), ("new-1", scrapes(begin=gap[1])))
        history.restarts(f"{name}-moved-old", always(3), *moved)
        history.restarts(f"{name}-moved-killed", stepped(during, 3, 4), *moved)
        history.ended(f"{name}-moved-ended", *moved, since=BEGIN)
    # Shards are numbered anew at 13:00: the object goes from one to the other.
    history.restarts(
        "resharded-old", always(2), ("shard-0", scrapes(end=END - 3600)), ("shard-1", scrapes(END - 3600))
    )
    # A StatefulSet's Pod of the same name: 7 restarts, then created again at 12:55 and killed at 13:02:30.
    kill = END - 3600 + 150
    for pod, uids in (("again-0", ("a", "b")), ("again-without-uid-0", ("none", "none"))):
        history.restarts(pod, always(7), ("shard-0", scrapes(end=kill - 450)), uid=uids[0])
        history.restarts(pod, stepped(kill), ("shard-0", scrapes(begin=kill - 449)), since=kill, uid=uids[1])
    # It is created and killed between two scrapes of a shard that was there before.
    history.restarts("new-killed", always(1), ("shard-0", scrapes(begin=kill)), since=kill)
    return history


@pytest.fixture(scope="module")
def server(metric_server_factory: PrometheusFactory, tmp_path_factory: pytest.TempPathFactory) -> Prometheus:
    path = tmp_path_factory.mktemp("gaps") / "state.openmetrics"
    write_openmetrics(path, described().families())
    return metric_server_factory(path)


@pytest.fixture
async def kills(server: Prometheus) -> dict[str, list[int]]:
    """The steps with a kill of each Pod, from 12:05 on."""
    steps = StepRange(LAST_STEP - 23, LAST_STEP)
    async with PrometheusSource(server.url, scope=Scope()) as source:
        samples, _ = await only(source.pressure_samples(Resource.MEMORY, steps))
    found: dict[str, list[int]] = {}
    for row, step in zip(samples.rows.tolist(), samples.at_steps.tolist(), strict=True):
        found.setdefault(samples.containers[row].pod, []).append(step)
    return found


@pytest.mark.parametrize("gap", GAPS)
def test_an_old_kill_is_not_a_new_one_after_a_gap(kills: dict[str, list[int]], gap: str) -> None:
    """One of two shards is away for 18 or 40 minutes or two hours, and is back at the same or a new address.

    The other shard is scraped all the time, which says nothing of the objects of this one.
    """
    pods = [f"{gap}-{name}" for name in ("old", "ended", "moved-old", "moved-ended")]

    assert [kills.get(pod) for pod in ("first-shard", *pods)] == [None] * 5


@pytest.mark.parametrize("gap", ["short", "long"])
def test_a_kill_in_a_gap_is_found_after_it(kills: dict[str, list[int]], gap: str) -> None:
    """A restart counts in the first two steps after the gap, as every other does; a termination in one."""
    assert kills[f"{gap}-killed"] == [BACK, BACK + 1]
    assert kills[f"{gap}-moved-killed"] == [BACK, BACK + 1]
    assert kills[f"{gap}-ended-in-gap"] == [BACK]


def test_shards_that_are_numbered_anew(kills: dict[str, list[int]]) -> None:
    """An object that goes to a shard which was there before is known from the other."""
    assert "resharded-old" not in kills


@pytest.mark.parametrize("pod", ["again-0", "again-without-uid-0"])
def test_a_pod_that_is_created_again_with_fewer_restarts(kills: dict[str, list[int]], pod: str) -> None:
    """Its first kill counts, although the one before it had seven restarts.

    Without the label `uid` (kube-state-metrics 1), its restarts are compared with those of two steps before.
    """
    assert kills[pod], kills
    assert min(kills[pod]) in {LAST_STEP - 11, LAST_STEP - 10}


def test_a_pod_that_was_killed_before_its_first_scrape(kills: dict[str, list[int]]) -> None:
    """Its target was scraped two steps before without it, so the kill is a new one: at 13:02:30."""
    assert kills["new-killed"] == [LAST_STEP - 11, LAST_STEP - 10]

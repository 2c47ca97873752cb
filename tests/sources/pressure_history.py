"""Containers under pressure, in the metrics of cAdvisor and kube-state-metrics, both scraped twice.

Scrapes are 30 s apart, the first 5 s and the second 15 s after a step begins, so that the two scrapers never
have a sample at the same time. An event is in the first scrape after it, and in all later ones.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.histories.openmetrics import Family, Series, write_openmetrics

Shape = Callable[[NDArray[np.int64]], NDArray[np.float64]]
NAMESPACE = "shop"


def steady(per_second: float) -> Shape:
    """A counter that is older than the history and rises all the time."""
    return lambda times: per_second * times.astype(np.float64)


def stepped(at: int, before: float = 0, after: float = 1) -> Shape:
    """A value that changes once."""
    return lambda times: np.where(times >= at, after, before).astype(float)


def with_gap(shape: Shape, begin: int, end: int) -> Shape:
    """The same, without scrapes from *begin* to *end*."""
    return lambda times: np.where((times > begin) & (times < end), np.nan, shape(times))


def between(shape: Shape, begin: float = -np.inf, end: float = np.inf) -> Shape:
    """The same, with scrapes from *begin* until before *end* only."""
    return lambda times: np.where((times >= begin) & (times < end), shape(times), np.nan)


class PressureHistory:
    """Collects series between *begin* and *end* (Unix seconds)."""

    def __init__(self, begin: int, end: int) -> None:
        self._begin, self._end = begin, end
        self._metrics: dict[str, list[Series]] = {}

    def throttling(self, container: str, throttled: Shape, *, periods_per_second: float = 10) -> None:
        """The periods of a container with a CPU limit (100 ms each), and those in which it was throttled.

        The whole Pod is throttled all the time: its series have no container name, and must not count.
        """
        self._cadvisor("container_cpu_cfs_periods_total", container, steady(periods_per_second))
        self._cadvisor("container_cpu_cfs_throttled_periods_total", container, throttled)
        for metric in ("container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total"):
            self._cadvisor(metric, container, steady(10), name="")

    def oom_events(self, container: str, events: Shape, *, job: str = "kubelet") -> None:
        """OOM events that the kubelet read in the kernel's log."""
        self._cadvisor("container_oom_events_total", container, events, job=job)

    def waiting(self, container: str, seconds: Shape) -> None:
        """The time in which a task of a container waited for CPU."""
        self._cadvisor("container_pressure_cpu_waiting_seconds_total", container, seconds)

    def stalled(self, container: str, seconds: Shape) -> None:
        """The time in which all tasks of a container waited for memory."""
        self._cadvisor("container_pressure_memory_stalled_seconds_total", container, seconds)

    def usage(self, container: str, cores: Shape, memory_bytes: Shape) -> None:
        """Its usage of CPU (a counter) and memory."""
        self._cadvisor("container_cpu_usage_seconds_total", container, cores)
        self._cadvisor("container_memory_working_set_bytes", container, memory_bytes)

    def restarts(
        self, container: str, count: Shape, *, last_reason: str, since: int, uid: str = "5f1c"
    ) -> None:
        """A container that restarts, and the reason of its last termination."""
        last = stepped(since)
        self._state("kube_pod_container_status_restarts_total", container, count, uid=uid)
        self._state(
            "kube_pod_container_status_last_terminated_reason", container, last, uid=uid, reason=last_reason
        )

    def restarts_before_a_move(self, container: str, count: int, moved_at: int) -> None:
        """A container with *count* OOM kills of long ago; kube-state-metrics moves to other addresses."""
        for version, alive in (("a", (-np.inf, moved_at)), ("b", (moved_at, np.inf))):
            for metric, value, labels in (
                ("kube_pod_container_status_restarts_total", count, {}),
                ("kube_pod_container_status_last_terminated_reason", 1, {"reason": "OOMKilled"}),
            ):
                shape = between(stepped(self._begin, after=value), *alive)
                self._state(metric, container, shape, version=version, **labels)

    def ended(self, container: str, reason: str, shape: Shape) -> None:
        """A container that is terminated and not yet deleted."""
        self._state("kube_pod_container_status_terminated_reason", container, shape, reason=reason)

    def limit(self, container: str, memory_bytes: Shape) -> None:
        """The memory limit of a container, in kube-state-metrics."""
        self._state("kube_pod_container_resource_limits", container, memory_bytes, resource="memory")
        self._state("kube_pod_container_resource_limits", container, steady(0), resource="cpu")

    def measured_limit(self, container: str, memory_bytes: Shape) -> None:
        """The memory limit of a container, in cAdvisor; 0 if it has none."""
        self._cadvisor("container_spec_memory_limit_bytes", container, memory_bytes)

    def write(self, path: Path) -> None:
        """Writes the OpenMetrics file."""
        families = [
            Family(metric, "counter" if metric.endswith("_total") else "gauge", tuple(series))
            for metric, series in self._metrics.items()
        ]
        write_openmetrics(path, families)

    def _cadvisor(
        self, metric: str, container: str, shape: Shape, name: str | None = None, job: str = "kubelet"
    ) -> None:
        labels = {"container": container if name is None else name, "id": f"/kubepods/{container}/{name}"}
        self._twice(metric, container, shape, labels, job=(job, f"{job}-of-another-operator"))

    def _state(
        self, metric: str, container: str, shape: Shape, uid: str = "5f1c", version: str = "a", **labels: str
    ) -> None:
        series_labels = {"container": container, "uid": uid, **labels}
        instances = (f"10.42.0.7{version}:8080", f"10.42.1.7{version}:8080")
        self._twice(metric, container, shape, series_labels, instance=instances)

    def _twice(
        self, metric: str, container: str, shape: Shape, labels: Mapping[str, str], **scraped: tuple[str, str]
    ) -> None:
        ((label, scrapers),) = scraped.items()
        for late, scraper in zip((5, 15), scrapers, strict=True):
            times = np.arange(self._begin + late, self._end + 1, 30, dtype=np.int64)
            series_labels = {"namespace": NAMESPACE, "pod": pod_of(container), **labels, label: scraper}
            values = shape(times)
            scraped_at = ~np.isnan(values)
            series = Series(series_labels, times[scraped_at], values[scraped_at])
            self._metrics.setdefault(metric, []).append(series)


def pod_of(container: str) -> str:
    """The only Pod of the container, of a Deployment with the same name."""
    return f"{container}-6b6f9d7d5c-2x8qz"

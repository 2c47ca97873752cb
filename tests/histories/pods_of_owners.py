"""Histories of Pods with several containers of constant usage, with their owners in kube-state-metrics.

They begin at a midnight and end 38 hours later. With one whole day covered, CPU is raised by
1 / (1 + 1)^2 = 25 %: a container of 0.100 cores needs 0.125. Memory has a margin of 20 % then, and is raised
by 3 / (1 + 1 / 0.6)^2 = 42.1875 %: a container of 10,000,000 bytes needs 17,062,500.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.histories.openmetrics import Family, Series, write_openmetrics

SCRAPE_SECONDS = 60
BEGIN = datetime(2026, 2, 28, tzinfo=UTC)
END = datetime(2026, 3, 1, 14, tzinfo=UTC)


@dataclass(frozen=True)
class HistoricPod:
    """A Pod with the cores of each container; a container of 1 core uses 100,000,000 bytes.

    `since` and `until` are the times from its start and from its end to the end of the history; `partly` has
    those of containers that ran for a part of that time only.
    """

    name: str
    cores: Mapping[str, float]
    owner: tuple[str, str] = ("", "")
    namespace: str = "shop"
    since: timedelta = END - BEGIN
    until: timedelta = timedelta(0)
    partly: Mapping[str, tuple[timedelta, timedelta]] | None = None

    def span(self, container: str) -> tuple[timedelta, timedelta]:
        """When the container ran, as the times before the end of the history."""
        return (self.partly or {}).get(container, (self.since, self.until))


def write_pods(path: Path, pods: Iterable[HistoricPod], *, with_owners: bool = True) -> None:
    """Writes the OpenMetrics file in the labels of cAdvisor and kube-state-metrics."""
    cpu, memory, owners = [], [], []
    for pod in pods:
        for container, cores in pod.cores.items():
            times = _times(*pod.span(container))
            labels = {
                "namespace": pod.namespace,
                "pod": pod.name,
                "container": container,
                "image": f"registry.example/{container}:1",
                "id": f"/kubepods/{pod.name}/{container}",
                "job": "kubelet",
                "metrics_path": "/metrics/cadvisor",
            }
            cpu.append(Series({**labels, "cpu": "total"}, times, 1000 + cores * (times - times[0])))
            memory.append(Series(labels, times, np.full(len(times), cores * 1e8)))
        kind, name = pod.owner
        controller = "true" if kind else ""
        owners.append(
            Series(
                {
                    "namespace": pod.namespace,
                    "pod": pod.name,
                    "owner_kind": kind,
                    "owner_name": name,
                    "owner_is_controller": controller,
                    "job": "kube-state-metrics",
                },
                (times := _times(pod.since, pod.until)),
                np.ones(len(times)),
            )
        )
    families = [
        Family("container_cpu_usage_seconds_total", "counter", tuple(cpu)),
        Family("container_memory_working_set_bytes", "gauge", tuple(memory)),
    ]
    if with_owners:
        families.append(Family("kube_pod_owner", "gauge", tuple(owners)))
    write_openmetrics(path, families)


def _times(since: timedelta, until: timedelta) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    begin, end = (int((END - before).timestamp()) for before in (since, until))
    return np.arange(begin + SCRAPE_SECONDS, end + 1, SCRAPE_SECONDS, dtype=np.int64)

"""Histories of Pods with constant usage from yesterday's midnight on, with kube-state-metrics owners.

A container uses 0.100 cores and 10,000,000 bytes, or a multiple of both. With one whole day covered CPU is
raised by 1 / (1 + 1)^2 = 25 %: a CPU profile is 0.125 cores, or that multiple of it.
"""

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tests.histories.lengths import DAY_SECONDS, days_from_midnight
from tests.histories.openmetrics import Family, Series

CORES, BYTES = 0.1, 1e7
AHEAD_SECONDS, SCRAPE_SECONDS = 3600, 60

Times = NDArray[np.int64]


def yesterday_and_today() -> Times:
    """The times of all scrapes, up to an hour ahead so that every step during the test has samples.

    A scrape at midnight would belong to the day before.
    """
    now = int(time.time())
    midnight = now - round(days_from_midnight(now, 1) * DAY_SECONDS)
    return np.arange(midnight + SCRAPE_SECONDS, now + AHEAD_SECONDS, SCRAPE_SECONDS, dtype=np.int64)


def usage(namespace: str, multiples: Mapping[str, float], times: Times) -> tuple[Family, Family]:
    """Metrics of cAdvisor for Pods with one container; *multiples* maps Pods to multiples of the usage."""

    def labels(pod: str) -> dict[str, str]:
        return {"namespace": namespace, "pod": pod, "container": "main", "image": "main:1"}

    ones = np.ones(len(times))
    cpu = [
        Series(labels(pod), times, multiple * CORES * (times - times[0]))
        for pod, multiple in multiples.items()
    ]
    memory = [Series(labels(pod), times, multiple * BYTES * ones) for pod, multiple in multiples.items()]
    return (
        Family("container_cpu_usage_seconds_total", "counter", tuple(cpu)),
        Family("container_memory_working_set_bytes", "gauge", tuple(memory)),
    )


def owners(
    namespace: str, metric: str, label: str, owned: Mapping[str, tuple[str, str] | None], times: Times
) -> Family:
    """Owner metrics: the kind and name of the controller by owned object; None if there is no controller."""
    series = []
    for name, owner in owned.items():
        kind, owner_name = owner or ("", "")
        labels = {
            "namespace": namespace,
            label: name,
            "owner_kind": kind,
            "owner_name": owner_name,
            "owner_is_controller": "true" if owner else "",
        }
        series.append(Series(labels, times, np.ones(len(times))))
    return Family(metric, "gauge", tuple(series))

"""Pods whose usage never changes, from yesterday's first moment on, and what kube-state-metrics told of them.

A container uses 0.100 cores and 10,000,000 bytes, or a multiple of both. With one whole day known its CPU is
raised by 1 / (1 + 1)^2 = 25 %: a profile is 0.125 cores, or that multiple of it.
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
    """The times of all scrapes, the coming hour's too, so that a test's own time finds samples.

    A scrape at midnight itself would be one of the day before.
    """
    now = int(time.time())
    midnight = now - round(days_from_midnight(now, 1) * DAY_SECONDS)
    return np.arange(midnight + SCRAPE_SECONDS, now + AHEAD_SECONDS, SCRAPE_SECONDS, dtype=np.int64)


def usage(namespace: str, multiples: Mapping[str, float], times: Times) -> tuple[Family, Family]:
    """What cAdvisor told of Pods with one container each, by name: the multiple that each of them used."""

    def labels(pod: str) -> dict[str, str]:
        return {"namespace": namespace, "pod": pod, "container": "main", "image": "main:1"}

    ones = np.ones(len(times))
    cpu = [Series(labels(pod), times, each * CORES * (times - times[0])) for pod, each in multiples.items()]
    memory = [Series(labels(pod), times, each * BYTES * ones) for pod, each in multiples.items()]
    return (
        Family("container_cpu_usage_seconds_total", "counter", tuple(cpu)),
        Family("container_memory_working_set_bytes", "gauge", tuple(memory)),
    )


def owners(
    namespace: str, metric: str, label: str, owned: Mapping[str, tuple[str, str] | None], times: Times
) -> Family:
    """The controllers' kinds and names by the name of what they own; None where nobody owns it."""
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

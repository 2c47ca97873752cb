"""Health metrics, read at each scrape: certificates, CA bundle, self-probe, caches and version."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from cryptography import x509
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.kubernetes.reflector import Reflector
from app.kubernetes.server_clock import ServerClock
from app.runtime.watches.faults import clock_fault, watch_faults
from app.version import VERSION

Watches = Iterable[Reflector[Any]]
Family = GaugeMetricFamily | CounterMetricFamily
_COUNTERS = frozenset({"job_profiler_cache_left_out_objects"})
_FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "job_profiler_build_info": ("Always 1, with the running version as label", ("version",)),
    "job_profiler_cert_expiry_timestamp_seconds": (
        "Expiry of the certificate in use: the webhook's serving certificate (leaf) or the leader's CA (ca)",
        ("kind",),
    ),
    "job_profiler_ca_bundle_match": ("1 if API servers would accept the webhook's certificate, else 0", ()),
    "job_profiler_probe_success": ("1 if the leader's last self-probe succeeded, else 0", ()),
    "job_profiler_clock_ahead_seconds": (
        "Seconds by which this process's clock is ahead of the API server's, negative if it is behind",
        (),
    ),
    "job_profiler_cache_synced": ("1 from the first complete list of the resource on, else 0", ("resource",)),
    "job_profiler_cache_left_out_objects": (
        "Objects of other types than the API's, and lines of a watch that are no events, that were left out",
        ("resource",),
    ),
    "job_profiler_cache_last_event_timestamp_seconds": (
        "Last message of the API server about the resource, including bookmarks",
        ("resource",),
    ),
    "job_profiler_task_failing": (
        "1 if a task of the profiler failed when it last ran, also for a single object, else 0",
        ("task",),
    ),
    "job_profiler_watch_failing": (
        "1 if the last attempts to list or watch the resource failed, else 0; without a namespace for all",
        ("resource", "namespace"),
    ),
}


class HealthMetrics(Collector):
    """Collects gauges from registered callables; an unknown value has no sample."""

    def __init__(self, registry: CollectorRegistry, clock: ServerClock | None = None) -> None:
        self.certificates: dict[str, Callable[[], x509.Certificate | None]] = {}
        self.watches: list[Callable[[], Watches]] = []
        # The reason of each fault of a task, by the task.
        self.task_faults: Callable[[], Mapping[str, Mapping[str, str]]] = dict
        self.bundle_matches: Callable[[], bool | None] = lambda: None
        self.probe_succeeded: Callable[[], bool | None] = lambda: None
        self._clock = clock

        registry.register(self)

    def describe(self) -> list[Family]:
        """The metric families without samples, which the registry needs on registration."""
        return [_family(name) for name in _FAMILIES]

    def collect(self) -> Iterator[Family]:
        """The metric families with their current samples."""
        build, expiry, match, success, ahead, synced, left_out, last_event, task, failing = self.describe()
        build.add_metric([VERSION], 1)
        for kind, read in self.certificates.items():
            if certificate := read():
                expiry.add_metric([kind], certificate.not_valid_after_utc.timestamp())
        for family, read_flag in ((match, self.bundle_matches), (success, self.probe_succeeded)):
            if (flag := read_flag()) is not None:
                family.add_metric([], int(flag))
        if self._clock and (seconds := self._clock.ahead_seconds) is not None:
            ahead.add_metric([], seconds)
        for resource, watches in self._by_resource().items():
            synced.add_metric([resource], int(all(watch.is_synced for watch in watches)))
            left_out.add_metric([resource], sum(watch.left_out for watch in watches))
            ages = [age for watch in watches if (age := watch.silent_seconds) is not None]
            if ages:
                last_event.add_metric([resource], time.time() - max(ages))
        for name, faults in self.task_faults().items():
            task.add_metric([name], int(bool(faults)))
        for (resource, namespace), has_fault in self._failing().items():
            failing.add_metric([resource, namespace], int(has_fault))
        yield from (build, expiry, match, success, ahead, synced, left_out, last_event, task, failing)

    def faults(self) -> dict[str, str]:
        """The reason of each failing watch, by what it watches, and of a clock that differs."""
        faults = watch_faults(chain.from_iterable(read() for read in self.watches))
        return faults | (clock_fault("clock", self._clock) if self._clock else {})

    def _failing(self) -> dict[tuple[str, str], bool]:
        failing: dict[tuple[str, str], bool] = {}
        for watch in chain.from_iterable(read() for read in self.watches):
            key = (watch.selection.resource, watch.selection.namespace)
            failing[key] = failing.get(key, False) or watch.fault is not None
        return failing

    def _by_resource(self) -> dict[str, list[Reflector[Any]]]:
        """The watches of all namespaces by resource; a resource is as fresh as its oldest watch."""
        watches_by_resource = defaultdict[str, list[Reflector[Any]]](list)
        for read in self.watches:
            for watch in read():
                watches_by_resource[watch.selection.resource].append(watch)
        return watches_by_resource


def _family(name: str) -> Family:
    text, labels = _FAMILIES[name]
    kind = CounterMetricFamily if name in _COUNTERS else GaugeMetricFamily
    return kind(name, text, labels=labels)

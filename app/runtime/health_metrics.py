"""How the process stands, read at each scrape: certificates, trust in them, caches, and what is running."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cryptography import x509
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.kubernetes.reflector import Reflector

Watches = Iterable[Reflector[Any]]
_PACKAGE = "kubernetes-job-profiler"
_GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "job_profiler_build_info": ("1, for the version that runs", ("version",)),
    "job_profiler_cert_expiry_timestamp_seconds": (
        "When the certificate in use expires: the webhook's (leaf), or the authority of the leader (ca)",
        ("kind",),
    ),
    "job_profiler_ca_bundle_match": ("1 while API servers would accept what the webhook serves", ()),
    "job_profiler_probe_success": ("1 while the leader's self-probe comes back as it should", ()),
    "job_profiler_cache_synced": ("1 since the resource was listed as a whole", ("resource",)),
    "job_profiler_cache_last_event_timestamp_seconds": (
        "When the API server last told anything of the resource, be it that nothing changed",
        ("resource",),
    ),
}


class HealthMetrics(Collector):
    """Asks those who add themselves to it; what nobody knows has no sample."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.certificates: dict[str, Callable[[], x509.Certificate | None]] = {}
        self.watches: list[Callable[[], Watches]] = []
        self.bundle_matches: Callable[[], bool | None] = lambda: None
        self.probe_succeeded: Callable[[], bool | None] = lambda: None
        self._version = _version()
        registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """The families without their samples: a registry asks when it takes a collector."""
        return [_family(name) for name in _GAUGES]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The values of this moment."""
        build, expiry, match, success, synced, heard = self.describe()
        build.add_metric([self._version], 1)
        for kind, read in self.certificates.items():
            if certificate := read():
                expiry.add_metric([kind], certificate.not_valid_after_utc.timestamp())
        for family, read_fact in ((match, self.bundle_matches), (success, self.probe_succeeded)):
            if (fact := read_fact()) is not None:
                family.add_metric([], int(fact))
        for resource, watches in self._by_resource().items():
            synced.add_metric([resource], int(all(watch.is_synced for watch in watches)))
            ages = [age for watch in watches if (age := watch.silent_seconds) is not None]
            if ages:
                heard.add_metric([resource], time.time() - max(ages))
        yield from (build, expiry, match, success, synced, heard)

    def _by_resource(self) -> dict[str, list[Reflector[Any]]]:
        """The watches of all namespaces together: the resource is as fresh as the oldest of them."""
        found = defaultdict[str, list[Reflector[Any]]](list)
        for read in self.watches:
            for watch in read():
                found[watch.selection.resource].append(watch)
        return found


def _family(name: str) -> GaugeMetricFamily:
    text, labels = _GAUGES[name]
    return GaugeMetricFamily(name, text, labels=labels)


def _version() -> str:
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return "unknown"  # a checkout that is not installed

"""The stored values as gauges, so that they can be plotted beside usage and requests."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Resource
from app.domain.workloads import Workload

_LABELS = ("namespace", "workload_kind", "workload")
_GAUGES = {
    Resource.CPU: ("job_profiler_profile_cpu_cores", "Cores that one replica of the workload needs"),
    Resource.MEMORY: ("job_profiler_profile_memory_bytes", "Bytes that one replica of the workload needs"),
}


class ProfileGauges(Collector):
    """One gauge of each CPU and memory profile, while *is_told*: one replica is enough to tell them."""

    def __init__(
        self, catalogue: ProfileCatalogue, is_told: Callable[[], bool], registry: CollectorRegistry
    ) -> None:
        self._catalogue = catalogue
        self._is_told = is_told
        registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """The families without their samples: a registry asks when it takes a collector."""
        return [GaugeMetricFamily(*named, labels=_LABELS) for named in _GAUGES.values()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The values of this moment."""
        if not self._is_told():
            return
        families = {
            resource.profile_kind: GaugeMetricFamily(*named, labels=_LABELS)
            for resource, named in _GAUGES.items()
        }
        for profile in self._catalogue:
            kind, subject = profile.kind, profile.subject
            if isinstance(subject, Workload) and (value := _number(profile.value)) is not None:
                families[kind].add_metric([subject.namespace, subject.kind, subject.name], value)
        yield from families.values()


def _number(text: str) -> float | None:
    """The value, or None where somebody wrote what is no number."""
    try:
        return float(text)
    except ValueError:
        return None

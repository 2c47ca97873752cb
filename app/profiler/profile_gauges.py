"""Gauges of the stored values, to plot beside usage and requests."""

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
    """One gauge per CPU and memory profile, while *is_exported*: one replica exports them."""

    def __init__(
        self, catalogue: ProfileCatalogue, is_exported: Callable[[], bool], registry: CollectorRegistry
    ) -> None:
        self._catalogue = catalogue
        self._is_exported = is_exported
        registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metric families without samples, as the registry needs them at registration."""
        return [GaugeMetricFamily(*arguments, labels=_LABELS) for arguments in _GAUGES.values()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The current values."""
        if not self._is_exported():
            return
        families = {
            resource.profile_kind: GaugeMetricFamily(*arguments, labels=_LABELS)
            for resource, arguments in _GAUGES.items()
        }
        for profile in self._catalogue:
            kind, subject = profile.kind, profile.subject
            if isinstance(subject, Workload) and (value := _number(profile.value)) is not None:
                families[kind].add_metric([subject.namespace, subject.kind, subject.name], value)
        yield from families.values()


def _number(text: str) -> float | None:
    """The value; None if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return None

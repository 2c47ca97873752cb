"""The metrics that the profiler reads, by the exporter that has them, and their selectors."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain.profiles import Resource
from app.sources.connections import istio, linkerd
from app.sources.exported_labels import ObjectSeries
from app.sources.owners import CONTROLLER_OWNER, JOB_OWNER, POD_OWNER, REPLICASET_OWNER, WORKLOAD_OF_POD
from app.sources.pressure import (
    CPU_WAITING,
    LAST_REASON,
    MEMORY_STALLED,
    OOM_EVENTS,
    PERIODS,
    REASON,
    RESTARTS,
    THROTTLED_PERIODS,
)
from app.sources.queries import (
    CONTAINER_REQUESTS,
    CPU_USAGE,
    MEMORY_USAGE,
    Matchers,
    Scope,
    cadvisor_selector,
    selector,
)


class Exporter(StrEnum):
    """What exposes a metric."""

    KUBELET = "kubelet"
    KUBE_STATE_METRICS = "kube-state-metrics"
    LINKERD = "linkerd"
    ISTIO = "istio"


# The exporters whose metrics CONNECTIONS_PROMETHEUS_URL has.
MESHES = (Exporter.LINKERD, Exporter.ISTIO)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of *exporter*; only its series with *matchers* are read."""

    name: str
    exporter: Exporter
    matchers: Matchers = ()

    def selector(self, scope: Scope) -> str:
        """The selector of the series that are read; of a mesh, of all namespaces."""
        if self.exporter is Exporter.KUBELET:
            return cadvisor_selector(self.name, scope)
        if self.exporter is Exporter.KUBE_STATE_METRICS:
            return ObjectSeries(scope).selector(self.name)
        return self.any_selector(scope)

    def renamed_selector(self, scope: Scope) -> str:
        """The selector of series whose own labels scraping renamed to `exported_*`."""
        if self.exporter is Exporter.KUBE_STATE_METRICS:
            return ObjectSeries(scope, is_renamed=True).selector(self.name)
        return selector(self.name, ('exported_namespace!=""',), scope)

    def any_selector(self, scope: Scope) -> str:
        """The selector of the series of any namespace in this cluster, whatever their labels are named."""
        return selector(self.name, self.matchers, replace(scope, included=None, excluded=frozenset()))


def _metrics(exporter: Exporter, names: Iterable[str], matchers: Matchers = ()) -> tuple[Metric, ...]:
    return tuple(Metric(name, exporter, matchers) for name in names)


CONTAINERS = _metrics(
    Exporter.KUBELET,
    (CPU_USAGE, MEMORY_USAGE, PERIODS, THROTTLED_PERIODS, OOM_EVENTS, CPU_WAITING, MEMORY_STALLED),
)
OBJECTS = _metrics(
    Exporter.KUBE_STATE_METRICS,
    (
        *(POD_OWNER, REPLICASET_OWNER, JOB_OWNER, CONTROLLER_OWNER, WORKLOAD_OF_POD),
        *(RESTARTS, LAST_REASON, REASON, CONTAINER_REQUESTS),
    ),
)
LINKERD = (
    *_metrics(Exporter.LINKERD, (linkerd.REQUESTS, linkerd.RESPONSES), linkerd.OUTBOUND),
    *_metrics(Exporter.LINKERD, (linkerd.WRITTEN_BYTES, linkerd.READ_BYTES), linkerd.TO_SERVER),
)
ISTIO_BYTES = f"{istio.REQUEST_BYTES}_sum"
ISTIO = _metrics(
    Exporter.ISTIO,
    (
        *(istio.REQUESTS, ISTIO_BYTES, istio.REQUEST_BYTES, istio.REQUEST_MESSAGES),
        *(istio.TCP_RECEIVED_BYTES, istio.TCP_SENT_BYTES),
    ),
)
METRICS_OF = {
    Exporter.KUBELET: CONTAINERS,
    Exporter.KUBE_STATE_METRICS: OBJECTS,
    Exporter.LINKERD: LINKERD,
    Exporter.ISTIO: ISTIO,
}
# What a scraper writes on each target, and when the process of a proxy started: since then all is counted.
UP = "up"
START_TIMES = {
    Exporter.LINKERD: "process_start_time_seconds",
    Exporter.ISTIO: "istio_agent_process_start_time_seconds",  # the bare name is the application's
}
USAGE = dict(zip(Resource, CONTAINERS[:2], strict=True))
CATALOGUE = {metric.name: metric for metrics in METRICS_OF.values() for metric in metrics}
# For each exporter, metrics of which at least one is there if its other ones are.
MAIN_METRICS = {
    Exporter.KUBELET: CONTAINERS[:2],
    Exporter.KUBE_STATE_METRICS: tuple(CATALOGUE[name] for name in (POD_OWNER, RESTARTS, WORKLOAD_OF_POD)),
    Exporter.LINKERD: LINKERD[::2],
    Exporter.ISTIO: (CATALOGUE[istio.REQUESTS], CATALOGUE[istio.TCP_SENT_BYTES]),
}

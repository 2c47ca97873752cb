"""Findings on service meshes: which one shows, and what its series lack."""

from collections.abc import Iterator

from app.diagnosis.catalogue import CATALOGUE, ISTIO_BYTES, MESHES, METRICS_OF, Exporter
from app.diagnosis.cluster_findings import cluster_findings
from app.diagnosis.finding import MetricFinding, Section, Severity
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Kind
from app.sources.mesh import istio, linkerd

_SECTIONS = {Exporter.LINKERD: Section.LINKERD_VIZ, Exporter.ISTIO: Section.ISTIO_ADDON}


def is_present(seen: Observations, mesh: Exporter) -> bool:
    """True if any metric of *mesh* has series."""
    return any(map(seen.has, METRICS_OF[mesh]))


def mesh_findings(seen: Observations) -> Iterator[MetricFinding]:
    """What costs connections, or a part of them."""
    meshes = [exporter for exporter in seen.target.exporters if exporter in MESHES]
    if not meshes:
        return
    if not any(seen.is_unknown(metric) for mesh in meshes for metric in METRICS_OF[mesh]):
        yield from _absence(seen, meshes)
    for mesh in meshes:
        if not is_present(seen, mesh):
            continue
        yield from cluster_findings(seen, mesh)
        yield from _of_linkerd(seen) if mesh is Exporter.LINKERD else _of_istio(seen)


def _absence(seen: Observations, meshes: list[Exporter]) -> Iterator[MetricFinding]:
    if any(is_present(seen, mesh) for mesh in meshes):
        return
    yield MetricFinding(
        Severity.NOTE,
        "NoMesh",
        f"no metrics of {' or '.join(meshes)}",
        "no connection profiles; CPU and memory need no mesh",
        "with Linkerd: its PodMonitor (podMonitor.enabled), or CONNECTIONS_PROMETHEUS_URL of viz; with Istio:"
        " a PodMonitor on the proxies' /stats/prometheus; without either: NETWORK_METRIC_PROVIDER=none",
        Section.MESHES,
    )


def _of_linkerd(seen: Observations) -> Iterator[MetricFinding]:
    section = _SECTIONS[Exporter.LINKERD]
    if nameless := seen.number(Kind.NAMELESS, linkerd.REQUESTS):
        yield _nameless(nameless, linkerd.REQUESTS, section)
    for name, costs in (
        (linkerd.RESPONSES, "connections count requests only"),
        (linkerd.WRITTEN_BYTES, "connections have no bytes, and plain TCP has no profile"),
    ):
        if seen.has(CATALOGUE[linkerd.REQUESTS]) and not seen.has(CATALOGUE[name]):
            yield _dropped(name, costs, section)


def _of_istio(seen: Observations) -> Iterator[MetricFinding]:
    section = _SECTIONS[Exporter.ISTIO]
    if nameless := seen.number(Kind.NAMELESS, istio.REQUESTS):
        yield _nameless(nameless, istio.REQUESTS, section)
    reporters = {reporter for (reporter,) in seen.of(Kind.REPORTERS, istio.REQUESTS)}
    if not reporters:
        yield MetricFinding(
            Severity.NOTE,
            "OnlyBytes",
            "only TCP of Istio shows: sidecars with HTTP, or waypoints, do not",
            "connections have bytes and no requests",
            "a waypoint for the namespace (istioctl waypoint apply -n NAMESPACE), if its traffic is HTTP",
            section,
        )
    elif not seen.has(CATALOGUE[ISTIO_BYTES]) and not seen.has(CATALOGUE[istio.REQUEST_BYTES]):
        yield _dropped(ISTIO_BYTES, "HTTP connections have no bytes", section)
    if reporters and not seen.has(CATALOGUE[istio.TCP_SENT_BYTES]):
        yield MetricFinding(
            Severity.NOTE,
            "NoTcp",
            f"no series of {istio.TCP_SENT_BYTES}: no connection is plain TCP, or scraping drops it",
            "nothing, or plain TCP has no profile",
            "metric_relabel_configs of the proxies: keep"
            f" {istio.TCP_SENT_BYTES} and {istio.TCP_RECEIVED_BYTES}",
            section,
        )


def _nameless(count: float, metric: str, section: Section) -> MetricFinding:
    return MetricFinding(
        Severity.GAP,
        "NoReporter",
        f"{count:.0f} series of {metric} have no label namespace",
        "their edges are left out: it is not known which proxy reports them",
        "relabel_configs: __meta_kubernetes_namespace to namespace, __meta_kubernetes_pod_name to pod",
        section,
    )


def _dropped(metric: str, costs: str, section: Section) -> MetricFinding:
    remedy = f"metric_relabel_configs of the proxies: keep {metric}"
    return MetricFinding(Severity.GAP, "MetricDropped", f"{metric} is not there", costs, remedy, section)

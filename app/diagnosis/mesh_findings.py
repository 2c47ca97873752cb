"""Findings on service meshes: which one shows, and what its series lack."""

from collections.abc import Iterator

from app.diagnosis.catalogue import CATALOGUE, ISTIO_BYTES, MESHES, METRICS_OF, START_TIMES, UP, Exporter
from app.diagnosis.cluster_findings import cluster_findings
from app.diagnosis.finding import MetricFinding, Section, Severity, listed
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Kind
from app.diagnosis.remedy import Program, Remedy
from app.sources.connections import istio, linkerd

_SECTIONS = {Exporter.LINKERD: Section.LINKERD_VIZ, Exporter.ISTIO: Section.ISTIO_ADDON}


def is_present(seen: Observations, mesh: Exporter) -> bool:
    """True if any metric of *mesh* has series."""
    return any(map(seen.has, METRICS_OF[mesh]))


def mesh_findings(seen: Observations) -> Iterator[MetricFinding]:
    """What costs connections, or a part of them."""
    meshes = [exporter for exporter in seen.target.exporters if exporter in MESHES]
    for mesh in meshes:
        if not is_present(seen, mesh):
            continue
        yield from cluster_findings(seen, mesh)
        yield from _unwatched(seen, mesh)
        yield from _of_linkerd(seen) if mesh is Exporter.LINKERD else _of_istio(seen)


def _unwatched(seen: Observations, mesh: Exporter) -> Iterator[MetricFinding]:
    """Targets of which it is not known when they were scraped, or since when they count."""
    targets = seen.number(Kind.TARGETS, mesh) or 0
    if without := seen.by_job(Kind.WITHOUT_UP, mesh):
        yield MetricFinding(
            Severity.GAP,
            "UpDropped",
            f"{sum(without.values()):.0f} of the {targets:.0f} proxies of {mesh} have no {UP}"
            f" (jobs: {listed(without)})",
            "silent time of a client is not seen, so that its connections have the mean of busy minutes only;"
            " requests before the first scrape of a series don't count",
            Remedy(
                f"scrapers write {UP} by themselves, so what sends or copies samples drops it: keep it in the"
                " write_relabel_configs of remote_write, or in the match[] of a federation"
            ),
            Section.MESHES,
        )
    elif without := seen.by_job(Kind.WITHOUT_START, mesh):
        yield MetricFinding(
            Severity.NOTE,
            "StartDropped",
            f"{sum(without.values()):.0f} of the {targets:.0f} proxies of {mesh} have no"
            f" {START_TIMES[mesh]} (jobs: {listed(without)})",
            "requests of a new Pod before its first scrape don't count",
            _keep(START_TIMES[mesh]),
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
            Remedy(
                "a waypoint for each namespace whose traffic is HTTP",
                Program.SHELL,
                ("istioctl waypoint apply -n NAMESPACE --enroll-namespace",),
            ),
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
            _keep(istio.TCP_SENT_BYTES, istio.TCP_RECEIVED_BYTES),
            section,
        )


def _nameless(count: float, metric: str, section: Section) -> MetricFinding:
    return MetricFinding(
        Severity.GAP,
        "NoReporter",
        f"{count:.0f} series of {metric} have no label namespace",
        "their edges are left out: it is not known which proxy reports them",
        Remedy(
            "name the Pod of each proxy",
            Program.SCRAPE_JOB,
            (
                "relabel_configs:",
                "- {source_labels: [__meta_kubernetes_namespace], target_label: namespace}",
                "- {source_labels: [__meta_kubernetes_pod_name], target_label: pod}",
            ),
        ),
        section,
    )


def _dropped(metric: str, costs: str, section: Section) -> MetricFinding:
    return MetricFinding(
        Severity.GAP, "MetricDropped", f"{metric} is not there", costs, _keep(metric), section
    )


def _keep(*metrics: str) -> Remedy:
    names = ", ".join(metrics)
    return Remedy(
        f"metric_relabel_configs of the proxies' job, and write_relabel_configs of agents: keep {names}"
    )

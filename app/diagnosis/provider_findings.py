"""What counts connections, what could, and what it means if nothing does."""

from collections.abc import Iterator

from app.diagnosis.candidates import CANDIDATES, Candidate
from app.diagnosis.catalogue import MESHES, METRICS_OF, Exporter
from app.diagnosis.features import Feature, State
from app.diagnosis.finding import MetricFinding, Section, Severity
from app.diagnosis.mesh_findings import is_present
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Fact, Kind
from app.diagnosis.remedy import Program, Remedy
from app.diagnosis.target import CONNECTIONS
from app.domain.connection_providers import Provider


def provider_features(seen: Observations) -> Iterator[Feature]:
    """A feature for each candidate that counts, or that the settings name."""
    for candidate in CANDIDATES:
        named = candidate.name in seen.target.providers
        if _is_there(seen, candidate.counts):
            is_off = not named and not seen.target.detects_providers
            needs_share = candidate.provider is Provider.SERVICE_GRAPH and not seen.target.has_sampling
            basis = "NETWORK_METRIC_PROVIDER" if is_off else "SERVICE_GRAPH_SAMPLING"
            state = State.OFF if is_off or needs_share else State.YES
            yield Feature(_feature(candidate), state, basis if state is State.OFF else "")
        elif named:
            yield Feature(_feature(candidate), State.NO)


def provider_findings(seen: Observations) -> Iterator[MetricFinding]:
    """A note if nothing counts connections, and on each candidate that does not, although it runs."""
    if not seen.target.wants_connections:
        return
    if not _is_unknown(seen) and not _is_any_there(seen):
        yield _absence(seen)
    if _is_unstated(seen):
        yield _UNSTATED
    for candidate in CANDIDATES:
        if _is_there(seen, candidate.signs) and not _is_there(seen, candidate.counts):
            yield MetricFinding(
                Severity.NOTE,
                "CouldCount",
                f"{candidate.name} runs here, but {candidate.counts[0]} is not there",
                "it could count connections, and does not",
                candidate.remedy,
                Section.MESHES,
            )


def _is_unstated(seen: Observations) -> bool:
    """True if service graphs are there and wanted, and are not known to be of which share of requests."""
    [graph] = (candidate for candidate in CANDIDATES if candidate.provider is Provider.SERVICE_GRAPH)
    wanted = seen.target.detects_providers or graph.name in seen.target.providers
    return wanted and not seen.target.has_sampling and _is_there(seen, graph.counts)


_UNSTATED = MetricFinding(
    Severity.NOTE,
    "SamplingNotStated",
    "service graphs of traces are there, and it is not stated which share of requests is traced",
    "their requests are not counted: they would be too few by an unknown factor",
    Remedy(
        "state the share, such as 0.02 for one request in 50",
        Program.CHART,
        ("profiling: {serviceGraphSampling: 0.02}",),
    ),
    Section.MESHES,
)


def _is_unknown(seen: Observations) -> bool:
    """True if it was not answered what there is."""
    of_meshes = (metric for mesh in _meshes(seen) for metric in METRICS_OF[mesh])
    return Fact(Kind.PRESENT, CONNECTIONS) in seen.errors or any(map(seen.is_unknown, of_meshes))


def _is_any_there(seen: Observations) -> bool:
    of_others = any(_is_there(seen, candidate.counts) for candidate in CANDIDATES)
    return of_others or any(is_present(seen, mesh) for mesh in _meshes(seen))


def _meshes(seen: Observations) -> list[Exporter]:
    return [exporter for exporter in seen.target.exporters if exporter in MESHES]


def _absence(seen: Observations) -> MetricFinding:
    names = [*map(str, MESHES), *(candidate.name for candidate in CANDIDATES)]
    wanted = names if seen.target.detects_providers else seen.target.providers
    return MetricFinding(
        Severity.NOTE,
        "NoMesh",
        f"no metrics of {', '.join(wanted)}",
        "no connection profiles; CPU and memory need none of these",
        Remedy(
            "scrape what is there, or set CONNECTIONS_PROMETHEUS_URL to the Prometheus that does; without"
            " any, look for none: NETWORK_METRIC_PROVIDER",
            Program.CHART,
            ("profiling: {networkMetricProvider: none}",),
        ),
        Section.MESHES,
    )


def _is_there(seen: Observations, metrics: tuple[str, ...]) -> bool:
    present = {name for (name,) in seen.of(Kind.PRESENT, CONNECTIONS)}
    return not present.isdisjoint(metrics)


def _feature(candidate: Candidate) -> str:
    return f"Connection profiles ({candidate.name})"

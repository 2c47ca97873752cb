"""Findings on kube-state-metrics: whose labels its series have, and what is missing of them."""

from collections.abc import Iterator, Sequence

from app.diagnosis.catalogue import CATALOGUE, MAIN_METRICS, OBJECTS, Exporter, Metric
from app.diagnosis.distributions import Distribution
from app.diagnosis.finding import MetricFinding, Section, Severity, listed
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Kind
from app.diagnosis.remedy import Program, Remedy
from app.sources.owners import CONTROLLER_OWNER, JOB_OWNER, POD_OWNER, REPLICASET_OWNER, WORKLOAD_OF_POD
from app.sources.pressure import LAST_REASON, OOM_EVENTS, REASON, RESTARTS
from app.sources.queries import CONTAINER_REQUESTS

# The metric with the owners of each kind of owner.
_OWNERS_OF = {
    "ReplicaSet": REPLICASET_OWNER,
    "Job": JOB_OWNER,
    "ReplicationController": CONTROLLER_OWNER,
}
_COSTS = {
    POD_OWNER: "Pods that are gone find their workload by the pattern of their name only",
    REPLICASET_OWNER: "past Pods of a ReplicaSet find its Deployment by the pattern of their name only",
    JOB_OWNER: "past runs of a CronJob are found by the pattern of their name only",
    CONTROLLER_OWNER: "past Pods of a DeploymentConfig are found by the pattern of their name only",
    RESTARTS: "OOM kills of restarted containers raise no memory profile",
    LAST_REASON: "OOM kills of restarted containers raise no memory profile",
    REASON: "OOM kills of Pods that are not restarted (Jobs) raise no memory profile",
    OOM_EVENTS: "OOM kills of a process that is not the container's first raise no memory profile",
    CONTAINER_REQUESTS: "backtest, explain and record show no requests beside the needs",
}

_MATCHER = Remedy(
    "STATE_METRICS_MATCHER selects the series of kube-state-metrics, usually by its job:",
    Program.CHART,
    ("prometheus: {stateMetricsMatcher: 'job=\"kube-state-metrics\"'}",),
)


def object_findings(seen: Observations, kept: Distribution) -> Iterator[MetricFinding]:
    """What is missing or wrong; nothing on what was not answered."""
    if any(seen.is_unknown(metric) for metric in OBJECTS):
        return
    if not any(map(seen.has, OBJECTS)):
        yield _nothing(seen, kept)
    elif seen.honors_labels() is False:
        yield _renamed(seen, kept)
    if ambiguous := seen.number(Kind.AMBIGUOUS, POD_OWNER):
        yield MetricFinding(
            Severity.GAP,
            "LabelsDropped",
            f"{ambiguous:.0f} Pods have more owners than a Pod can have: scraping replaced their labels",
            "owners, OOM kills and requests of all other Pods are unknown",
            kept.honor_labels,
            Section.KUBE_STATE_METRICS,
        )
    yield from _missing(seen, kept)


def _renamed(seen: Observations, kept: Distribution) -> MetricFinding:
    """The finding on renamed labels; others may expose a metric too, with labels of their own."""
    rivals = {
        job
        for metric in OBJECTS
        if seen.of(Kind.RENAMED, metric.name)
        for job in seen.by_job(Kind.SERIES, metric.name)
    }
    costs = "nothing: targets of the namespace that describes most Pods are trusted"
    if rivals:
        costs = f"where other jobs expose the same metrics, these count instead: {listed(rivals)}"
    return MetricFinding(
        Severity.GAP if rivals else Severity.NOTE,
        "LabelsRenamed",
        "kube-state-metrics is scraped without honorLabels: labels are exported_namespace, exported_pod",
        costs,
        kept.honor_labels,
        Section.KUBE_STATE_METRICS,
    )


def _nothing(seen: Observations, kept: Distribution) -> MetricFinding:
    """The finding on no series that is read of any object."""
    costs = "no owners of past Pods but by name patterns, no OOM kills but the kubelets', no requests"
    if jobs := listed(seen.by_job(Kind.ANY, POD_OWNER)):
        return MetricFinding(
            Severity.GAP,
            "ObjectsNotRead",
            f"{POD_OWNER} (jobs: {jobs}) is of no namespace in scope, or STATE_METRICS_MATCHER fits none",
            costs,
            _MATCHER,
            Section.KUBE_STATE_METRICS,
        )
    return MetricFinding(
        Severity.GAP,
        "NoKubeStateMetrics",
        "kube-state-metrics is not there",
        costs,
        kept.kube_state_metrics,
        kept.section if kept.name else Section.KUBE_STATE_METRICS,
    )


def _missing(seen: Observations, kept: Distribution) -> Iterator[MetricFinding]:
    """The metrics that are dropped, as far as others show that they should have series."""
    is_scraped = any(map(seen.has, MAIN_METRICS[Exporter.KUBELET]))
    if is_scraped and not seen.is_unknown(CATALOGUE[OOM_EVENTS]) and not seen.has(CATALOGUE[OOM_EVENTS]):
        yield _dropped([CATALOGUE[OOM_EVENTS]], kept)
    if not any(map(seen.has, OBJECTS)):
        return
    missing = [metric for name in expected_objects(seen) if not seen.has(metric := CATALOGUE[name])]
    if seen.has(CATALOGUE[WORKLOAD_OF_POD]):
        missing = [metric for metric in missing if metric.name != POD_OWNER]
    if missing:
        yield _dropped(missing, kept)


def expected_objects(seen: Observations) -> Iterator[str]:
    """The metrics that kube-state-metrics exposes for what is in this cluster."""
    yield from (POD_OWNER, RESTARTS, CONTAINER_REQUESTS)
    kinds = {kind for (kind,) in seen.of(Kind.OWNED, POD_OWNER)}
    yield from (metric for kind, metric in _OWNERS_OF.items() if kind in kinds)
    if seen.number(Kind.RESTARTED, RESTARTS):
        yield LAST_REASON
    if "Job" in kinds:
        yield REASON


def _dropped(metrics: Sequence[Metric], kept: Distribution) -> MetricFinding:
    """The finding on metrics of one exporter, all of which one line of configuration keeps."""
    of = "the kubelets" if metrics[0].exporter is Exporter.KUBELET else "kube-state-metrics"
    names = ", ".join(metric.name for metric in metrics)
    return MetricFinding(
        Severity.GAP,
        "MetricDropped",
        f"missing among the metrics of {of}: {names}",
        "; ".join(dict.fromkeys(_COSTS[metric.name] for metric in metrics)),
        kept.keep(*metrics),
        kept.section,
    )

"""Findings on the usage of containers: why there is none; its interval, lag, duplicates and length."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from app.diagnosis.catalogue import USAGE, Exporter, Metric
from app.diagnosis.cluster_findings import cluster_findings, name_cluster, settings_of
from app.diagnosis.distributions import Distribution
from app.diagnosis.finding import MetricFinding, Section, Severity, listed
from app.diagnosis.observations import Observations
from app.diagnosis.questions import DAY_SECONDS, Kind
from app.diagnosis.remedy import Program, Remedy, quoted
from app.domain.profiles import Resource
from app.history.samples import STEP_SECONDS
from app.sources.cluster_labels import cluster_labels
from app.sources.queries import CPU_USAGE, MEMORY_USAGE, escape_label_value

# With more than 60 s a single missed scrape may leave less than the two samples in a step that a rate needs.
# If two of the ten scrapes that the interval is computed from were missed, 60 s look like 75.
_LONGEST_INTERVAL_SECONDS = 75
# Later than that, samples of a part of the writers may be lost; see docs/pages/prometheus.md.
_TOLERATED_LAG_SECONDS = 2 * STEP_SECONDS
_GONE_SHARE = 0.1  # of the nodes, in an hour: more than most clusters replace
_DUPLICATED_SHARE = 0.02  # a container that moves to another node has two series for some minutes
_SHORTER_INTERVAL = Remedy(
    "scrape them every minute, or every 30 s", Program.SCRAPE_JOB, ("scrape_interval: 60s",)
)
_HONOR_LABELS = Remedy("scrape the kubelets with honor_labels", Program.SCRAPE_JOB, ("honor_labels: true",))
UNKNOWN_CLUSTER, ENDED = "UnknownCluster", "Ended"


def blocking_faults(seen: Observations, kept: Distribution) -> Iterator[MetricFinding]:
    """Why CPU or memory can't be profiled; one finding if both have the same cause."""
    by_cause: dict[_Cause, list[Resource]] = {}
    for resource in Resource:
        if cause := _cause(seen, resource, kept):
            by_cause.setdefault(cause, []).append(resource)
    for cause, resources in by_cause.items():
        names = " and ".join(USAGE[resource].name for resource in resources)
        message = cause.message.replace("{}", names, 1)
        yield MetricFinding(
            *(Severity.BLOCKING, cause.reason, message, _costs(resources)),
            *(cause.remedy, cause.section),
        )


def _costs(resources: Iterable[Resource]) -> str:
    return " and ".join(f"no {resource.value} profiles" for resource in resources)


class _Cause(NamedTuple):
    """Why there is no usage; the message has a place for the names of metrics."""

    reason: str
    message: str
    remedy: Remedy
    section: Section


def _cause(seen: Observations, resource: Resource, kept: Distribution) -> _Cause | None:
    """None if there are samples, or if it was not answered, which is a finding of its own."""
    if seen.is_unknown(USAGE[resource]):
        return None
    if not seen.of(Kind.SERIES, USAGE[resource].name):
        return _absence(seen, USAGE[resource], kept)
    return _too_few_samples(seen) if seen.sampled(resource) == 0 else None


def _too_few_samples(seen: Observations) -> _Cause:
    """There are series, and no sample of any container."""
    interval_seconds = seen.interval_seconds(Exporter.KUBELET) or 0
    if interval_seconds >= STEP_SECONDS:
        message = f"{{}}: a sample every {interval_seconds:.0f} s, and a rate needs two in 5 minutes"
        return _Cause("ScrapedTooRarely", message, _SHORTER_INTERVAL, Section.SCRAPE_INTERVALS)
    message = "{}: series, but of no container enough samples for 5 minutes yet"
    return _Cause("TooYoung", message, Remedy("wait for 10 minutes"), Section.SCRAPE_INTERVALS)


def _absence(seen: Observations, metric: Metric, kept: Distribution) -> _Cause:
    """There is no series in scope."""
    scope, clusters = seen.target.scope, seen.clusters(Exporter.KUBELET)
    if seen.of(Kind.RENAMED, metric.name):
        message = "the labels of {} are renamed to exported_namespace and exported_pod"
        return _Cause("LabelsRenamed", message, _HONOR_LABELS, Section.WHAT_IS_READ)
    if scope.cluster and clusters and scope.cluster_value not in clusters:
        return _unknown_cluster(seen)
    if seen.of(Kind.ANY, metric.name):
        return _not_selected(seen, metric.name)
    if since_seconds := seen.since_seconds(metric):
        message = f"{{}}: samples {since_seconds / 3600:.0f} h ago, none in the last hour"
        return _Cause(
            *(ENDED, message, Remedy("see the targets of the kubelets in Prometheus (up == 0)")),
            Section.WHAT_IS_READ,
        )
    remedy = Remedy(
        "scrape the kubelets' /metrics/cadvisor (kube-prometheus-stack: kubelet.enabled: true), or set"
        " PROMETHEUS_URL to a server that does"
    )
    return _Cause("NotScraped", "no series of {}", remedy, kept.section)


def _unknown_cluster(seen: Observations) -> _Cause:
    """There is no series of the named cluster; it may be the value of another label."""
    scope, exporter = seen.target.scope, Exporter.KUBELET
    names = {label: listed(seen.clusters(exporter, label)) for label in cluster_labels(scope)}
    found = "; ".join(f"{label}: {values}" for label, values in names.items() if values)
    message = (
        f"no series of {{}} has {scope.cluster_label}={scope.cluster}; there is {found or 'no cluster label'}"
    )
    own = scope.cluster
    by_label = [(label, own) for label in names if own in seen.clusters(exporter, label)]
    by_name = [(scope.cluster_label, name) for name in sorted(filter(None, seen.clusters(exporter)))]
    label, name = next(iter((*by_label, *by_name)), (scope.cluster_label, ""))
    text = "name this cluster as its series do" if name else "name no cluster"
    text = f"{text}: {settings_of(seen, exporter)}"
    remedy = name_cluster(seen, exporter, label, name, text)
    return _Cause(UNKNOWN_CLUSTER, message, remedy, Section.SEVERAL_CLUSTERS)


def _not_selected(seen: Observations, name: str) -> _Cause:
    """There are series, which no query of the profiler selects."""
    matchers = ",".join(seen.target.scope.cadvisor_matchers)
    if matchers:
        jobs = listed(seen.by_job(Kind.ANY, name))
        message = f"no series of {{}} matches {matchers}; the jobs are {jobs}"
        return _Cause(
            *(
                "NothingMatches",
                message,
                _select_job("name the kubelets' job: CONTAINER_METRICS_MATCHER", seen.by_job(Kind.ANY, name)),
            ),
            Section.WHAT_IS_READ,
        )
    if seen.clusters(Exporter.KUBELET):
        message = "{}: series of no namespace in scope"
        return _Cause(
            *("OutOfScope", message, Remedy("look at PROFILING_NAMESPACE and EXCLUDED_NAMESPACES")),
            Section.WHAT_IS_READ,
        )
    message = "{}: no series with the labels namespace, pod and container"
    remedy = Remedy(
        "scrape the kubelets' /metrics/cadvisor; old releases of CRI-O give their own without these labels"
    )
    return _Cause("NoContainerLabels", message, remedy, Section.WHAT_IS_READ)


def usage_notes(seen: Observations, retention_seconds: float | None) -> Iterator[MetricFinding]:
    """What costs precision or a part of the history, while there are profiles."""
    yield from _long_intervals(seen)
    lags_seconds = {
        f"{exporter} (job {job})" if job else exporter: lag_seconds
        for exporter in seen.target.exporters
        for job, lag_seconds in sorted(seen.lags_seconds(exporter).items())
        if lag_seconds > _TOLERATED_LAG_SECONDS
    }
    if lags_seconds:
        late = listed(f"{of}: {seconds / 60:.0f} minutes" for of, seconds in lags_seconds.items())
        yield MetricFinding(
            Severity.GAP,
            "LateSamples",
            f"the newest samples are old: {late}",
            "profiles are as late; if only some writers are as late, their samples may be lost",
            Remedy("look at the remote_write queues and the agents' clocks; up to 10 minutes cost nothing"),
            Section.LATE_SAMPLES,
        )
    yield from cluster_findings(seen, Exporter.KUBELET)
    yield from _gone_targets(seen)
    yield from _duplicates(seen)
    yield from _unselected(seen)
    yield from _history(seen, retention_seconds)


def _long_intervals(seen: Observations) -> Iterator[MetricFinding]:
    """Rates are of the kubelets' counters and of the meshes'."""
    intervals_seconds = {
        exporter: seen.interval_seconds(exporter) or 0
        for exporter in seen.target.exporters
        if exporter is not Exporter.KUBE_STATE_METRICS
    }
    rare = [name for name, seconds in intervals_seconds.items() if seconds > _LONGEST_INTERVAL_SECONDS]
    if not rare or not seen.sampled(Resource.CPU):
        return
    longest_seconds = max(intervals_seconds.values())
    yield MetricFinding(
        Severity.GAP,
        "ScrapedRarely",
        f"scraped every {longest_seconds:.0f} s: {listed(rare)}; one missed scrape may empty 5 minutes",
        "fewer samples, so later and less certain profiles; short lives are not seen",
        _SHORTER_INTERVAL,
        Section.SCRAPE_INTERVALS,
    )


def _gone_targets(seen: Observations) -> Iterator[MetricFinding]:
    """A lagging writer looks like nodes that were removed."""
    targets, gone = (seen.number(kind, MEMORY_USAGE) or 0 for kind in (Kind.TARGETS, Kind.GONE))
    if targets and gone > _GONE_SHARE * targets:
        yield MetricFinding(
            Severity.NOTE,
            "TargetsGone",
            f"{gone:.0f} of the {targets:.0f} kubelets of an hour ago have no sample at the newest time",
            "nothing if their nodes are gone; if one of several agents lags, late samples of its nodes",
            Remedy("look at the nodes, then at the remote_write queue of each agent"),
            Section.LATE_SAMPLES,
        )


def _duplicates(seen: Observations) -> Iterator[MetricFinding]:
    jobs = seen.by_job(Kind.SERIES, MEMORY_USAGE)
    shares = {exporter: seen.duplicated_share(exporter) or 0 for exporter in seen.target.exporters}
    twice = [f"{share:.0%} of {name}" for name, share in shares.items() if share > _DUPLICATED_SHARE]
    if twice:
        yield MetricFinding(
            Severity.NOTE,
            "ScrapedTwice",
            f"scraped more than once: {', '.join(twice)}",
            "nothing: duplicates count once. Each query reads as many samples more",
            Remedy("keep one ServiceMonitor or PodMonitor, and one kubelet Service; deduplicate replicas"),
            Section.SCRAPED_TWICE,
        )
    if len(jobs) > 1:
        yield MetricFinding(
            Severity.NOTE,
            "SeveralJobs",
            f"containers' series are of more than one scrape job: {listed(jobs)}",
            "a target that is scraped with honor_labels can claim usage of any container",
            _select_job("read the kubelets' job only: CONTAINER_METRICS_MATCHER", jobs),
            Section.SCRAPED_TWICE,
        )


def _unselected(seen: Observations) -> Iterator[MetricFinding]:
    """Containers that only series of other jobs or paths have, such as those of Windows nodes."""
    unselected = seen.number(Kind.UNSELECTED, MEMORY_USAGE)
    if unselected and seen.of(Kind.SERIES, MEMORY_USAGE):
        matchers = ",".join(seen.target.scope.cadvisor_matchers)
        yield MetricFinding(
            Severity.GAP,
            "NotSelected",
            f"{unselected:.0f} containers have no series that matches {matchers}",
            "these have no profiles; Windows nodes have usage in /metrics/resource only",
            Remedy("let CONTAINER_METRICS_MATCHER select them too, or the job without its metrics_path"),
            Section.WHAT_IS_READ,
        )


def _select_job(text: str, jobs: Mapping[str, float]) -> Remedy:
    """The matcher of the job with the most series; of several, of one that is named after the kubelets."""
    largest = max(jobs, key=lambda job: (jobs[job], "kubelet" in job))
    matcher = quoted(f'job="{escape_label_value(largest)}"')
    return Remedy(text, Program.CHART, (f"prometheus: {{containerMetricsMatcher: {matcher}}}",))


def _history(seen: Observations, retention_seconds: float | None) -> Iterator[MetricFinding]:
    since_seconds = seen.since_seconds(USAGE[Resource.CPU])
    if retention_seconds is not None and retention_seconds < DAY_SECONDS:
        message = f"Prometheus keeps samples for {retention_seconds / 3600:.0f} h"
        remedy = Remedy(
            "keep them for longer (kube-prometheus-stack: prometheus.prometheusSpec.retention)",
            Program.PROMETHEUS_FLAG,
            ("--storage.tsdb.retention.time=15d",),
        )
    elif seen.of(Kind.SERIES, CPU_USAGE) and since_seconds is not None and since_seconds < DAY_SECONDS:
        message = "Prometheus has less than a day of usage"
        remedy = Remedy("wait: confidence grows with the days")
    else:
        return
    costs = "the first profiles rest on that alone; what was learned since is kept in check-points"
    yield MetricFinding(Severity.NOTE, "ShortHistory", message, costs, remedy, Section.HOW_LONG)

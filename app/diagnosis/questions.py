"""The queries of an examination: is a metric there, since when, how often, how late, how often twice."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np

from app.diagnosis.catalogue import CATALOGUE, MAIN_METRICS, START_TIMES, UP, Exporter, Metric
from app.diagnosis.target import CONNECTIONS
from app.domain.profiles import Resource
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.cluster_labels import cluster_labels
from app.sources.connections import istio, linkerd
from app.sources.connections.conversation import LabeledQuery, QueryBatch
from app.sources.exported_labels import ObjectSeries
from app.sources.owners import POD_OWNER, WORKLOAD_OF_POD
from app.sources.pressure import RESTARTS
from app.sources.queries import (
    CONTAINER_LABELS,
    CPU_USAGE,
    MEMORY_USAGE,
    TWO_WINDOWS,
    Scope,
    aggregate,
    container_selector,
    container_usage,
    selector,
)
from app.sources.query_result import Key, QueryResult

DAY_SECONDS = 86400
# A metric is looked for at these ages: any time between would cost a query of its own.
AGES_SECONDS = (6 * 3600, DAY_SECONDS, 7 * DAY_SECONDS, 14 * DAY_SECONDS, 29 * DAY_SECONDS)
INTERVAL_WINDOW_SECONDS = 2 * STEP_SECONDS
EARLIER = "1h"
_JOB = ("job",)
_TARGET_LABELS = ("job", "instance")
_POD_LABELS = ("namespace", "pod")
_OWNER_LABELS = ("owner_kind", "owner_name")
# The labels in which the series of one target differ. Series that agree in them, whatever their other labels
# are, are duplicates.
_OWN_LABELS = {
    MEMORY_USAGE: (*CONTAINER_LABELS, "id", "name"),
    POD_OWNER: (*_POD_LABELS, "uid", *_OWNER_LABELS),
    RESTARTS: (*CONTAINER_LABELS, "uid"),
    WORKLOAD_OF_POD: (*_POD_LABELS, "workload", "workload_type"),
    linkerd.REQUESTS: linkerd.PROXY.series_labels,
    linkerd.WRITTEN_BYTES: linkerd.PROXY.series_labels,
    istio.BUILD: (*_POD_LABELS, "component", "tag"),
}


class Kind(StrEnum):
    """What a query measures; of each the subject is a metric, or as the comment has it."""

    NEWEST = "newest"  # Unix time of the newest sample, by scrape job
    SERIES = "series"  # number by scrape job
    RENAMED = "renamed"  # number of series whose labels are `exported_*`, by scrape job
    INTERVAL = "interval"  # samples of a series in the window, by scrape job
    SINCE = "since"  # a metric and an age: any series then
    OBJECTS = "objects"  # number of containers or Pods, of an exporter
    DUPLICATED = "duplicated"  # number of those with several series for one thing, of an exporter
    TARGETS = "targets"  # number of targets, of the kubelets those of an hour before, by scrape job
    GONE = "gone"  # number of those that have no sample now, by scrape job
    WITHOUT_UP = "without-up"  # number of targets without `up`, by scrape job
    WITHOUT_START = (
        "without-start"  # number of targets without the start time of their process, by scrape job
    )
    SAMPLED = "sampled"  # number of containers with a sample of a resource
    NAMESPACES = "namespaces"  # series by namespace and `cluster_labels`, of an exporter
    UNSELECTED = "unselected"  # number of containers of which no series fits CONTAINER_METRICS_MATCHER
    ANY = "any"  # series of any container or namespace, by scrape job
    OWNED = "owned"  # Pods by the kind of their owner
    AMBIGUOUS = "ambiguous"  # number of Pods with more owners than a Pod can have
    RESTARTED = "restarted"  # number of containers that were restarted
    PRESENT = "present"  # series by metric, of what counts connections or could
    NAMELESS = "nameless"  # series without a namespace
    REPORTERS = "reporters"  # series by the reporter in Istio's metrics


class Fact(NamedTuple):
    """One thing that is asked."""

    kind: Kind
    subject: str


Counts: TypeAlias = Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class MetricQuestion:
    """Queries on the same steps, sent as one; *of_connections* if they go to that Prometheus."""

    parts: Mapping[Fact, LabeledQuery]
    steps: StepRange
    of_connections: bool = False

    @property
    def batch(self) -> QueryBatch:
        """The queries as one."""
        return QueryBatch(tuple(self.parts.values()), self.steps)

    def read(self, result: QueryResult) -> Mapping[Fact, Counts]:
        """The largest value of each series over the steps."""
        matrices = self.batch.split(result)
        return {
            fact: dict(zip(matrix.keys, _largest(matrix.values), strict=True))
            for fact, matrix in zip(self.parts, matrices, strict=True)
        }


def _largest(values: np.ndarray) -> list[float]:
    """The maximum of each row without NaN; 0 if it has nothing else."""
    largest: list[float] = np.nan_to_num(values).max(axis=1, initial=0).tolist()
    return largest


def _count(labels: Iterable[str], expression: str) -> LabeledQuery:
    return _labelled("count", tuple(labels), expression)


def _labelled(operator: str, labels: tuple[str, ...], expression: str) -> LabeledQuery:
    return LabeledQuery(aggregate(operator, labels, expression), labels, frozenset(labels))


def newest(exporter: Exporter, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The times of the newest samples of its main metrics."""
    return {
        Fact(Kind.NEWEST, metric.name): _labelled("max", _JOB, f"timestamp({metric.any_selector(scope)})")
        for metric in MAIN_METRICS[exporter]
    }


def series(metric: Metric, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The series of *metric* that the profiler reads, and those whose labels were renamed."""
    parts = {Fact(Kind.SERIES, metric.name): _count(_JOB, metric.selector(scope))}
    if metric.exporter in (Exporter.KUBELET, Exporter.KUBE_STATE_METRICS):
        parts[Fact(Kind.RENAMED, metric.name)] = _count(_JOB, metric.renamed_selector(scope))
    return parts


def interval(metric: Metric, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The most samples in the window of a series that is older than that."""
    window = f"{metric.any_selector(scope)}[{TWO_WINDOWS}]"
    counts = f"count_over_time({window}) and present_over_time({window} offset {TWO_WINDOWS})"
    return {Fact(Kind.INTERVAL, metric.name): _labelled("max", _JOB, counts)}


def duplicates(main: Metric, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The containers or Pods with the metric *main*, and how many of them are scraped more than once.

    Users may add labels to Istio's requests: its proxies are found by a metric with one series for each.
    """
    if main.exporter is Exporter.ISTIO:
        main = Metric(istio.BUILD, main.exporter)
    is_of_containers = main.exporter is Exporter.KUBELET
    own, objects = _OWN_LABELS[main.name], CONTAINER_LABELS if is_of_containers else _POD_LABELS
    everything, several = _grouped(objects, own, main.selector(scope))
    if main.exporter is Exporter.KUBE_STATE_METRICS:
        renamed = _grouped(_renamed(objects), _renamed(own), main.renamed_selector(scope))
        everything, several = f"{everything} or {renamed[0]}", f"{several} or {renamed[1]}"
    elif is_of_containers:
        several = f"{several} or {_of_two_endpoints(main, scope)}"
    return {
        Fact(Kind.OBJECTS, main.exporter): _count((), everything),
        Fact(Kind.DUPLICATED, main.exporter): _count((), several),
    }


def _grouped(objects: tuple[str, ...], own: tuple[str, ...], series: str) -> tuple[str, str]:
    """The number of *series* of each object; and of those that agree in their *own* labels, if any do."""
    several = f"{aggregate('count', own, series)} > 1"
    return aggregate("count", objects, series), aggregate("count", objects, several)


def _renamed(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"exported_{label}" if label in CONTAINER_LABELS else label for label in labels)


def _of_two_endpoints(metric: Metric, scope: Scope) -> str:
    """The containers of /metrics/cadvisor that are also in /metrics/resource, where they have no `id`."""
    without, with_id = (
        container_selector(metric.name, scope, *scope.cadvisor_matchers, f'id{sign}""')
        for sign in ("=", "!=")
    )
    return (
        f"{aggregate('count', CONTAINER_LABELS, without)} and {aggregate('count', CONTAINER_LABELS, with_id)}"
    )


def targets(metric: Metric, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The targets that exposed *metric* an hour before, and those of them that do not now."""
    now, before = (
        aggregate("group", _TARGET_LABELS, f"{metric.any_selector(scope)}{offset}")
        for offset in ("", f" offset {EARLIER}")
    )
    return {
        Fact(Kind.TARGETS, metric.name): _count(_JOB, before),
        Fact(Kind.GONE, metric.name): _count(_JOB, f"{before} unless {now}"),
    }


def watched(main: Metric, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The targets that expose *main*, and how many of them have no `up`, or no start time."""
    targets, up, start = (
        aggregate("group", _TARGET_LABELS, series)
        for series in (
            main.any_selector(scope),
            selector(UP, (), scope),
            selector(START_TIMES[main.exporter], (), scope),
        )
    )
    return {
        Fact(Kind.TARGETS, main.exporter): _count(_JOB, targets),
        Fact(Kind.WITHOUT_UP, main.exporter): _count(_JOB, f"{targets} unless {up}"),
        Fact(Kind.WITHOUT_START, main.exporter): _count(_JOB, f"{targets} unless {start}"),
    }


def sampled(resource: Resource, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The containers of which the profiler's own query has a sample."""
    containers = aggregate("count", CONTAINER_LABELS, container_usage(resource, scope))
    return {Fact(Kind.SAMPLED, resource.value): _count((), containers)}


def any_containers(scope: Scope) -> dict[Fact, LabeledQuery]:
    """The containers' series by namespace and cluster, and series that lack the name of a container."""
    containers = selector(MEMORY_USAGE, ('container!=""',), scope)
    parts = {Fact(Kind.NAMESPACES, Exporter.KUBELET): _namespaces(containers, scope)}
    for name in (CPU_USAGE, MEMORY_USAGE):
        parts[Fact(Kind.ANY, name)] = _count(_JOB, CATALOGUE[name].any_selector(scope))
    if scope.cadvisor_matchers:
        every, selected = (
            aggregate("group", CONTAINER_LABELS, container_selector(MEMORY_USAGE, scope, *matchers))
            for matchers in ((), scope.cadvisor_matchers)
        )
        parts[Fact(Kind.UNSELECTED, MEMORY_USAGE)] = _count((), f"{every} unless {selected}")
    return parts


def _namespaces(series: str, scope: Scope) -> LabeledQuery:
    return _count(("namespace", *cluster_labels(scope)), series)


def owners(scope: Scope) -> dict[Fact, LabeledQuery]:
    """The kinds of owners, Pods with too many of them, and restarts."""
    pod_owner = CATALOGUE[POD_OWNER]
    by_owner = aggregate("count", (*_POD_LABELS, *_OWNER_LABELS), ObjectSeries(scope).selector(POD_OWNER))
    restarts = CATALOGUE[RESTARTS].any_selector(scope)
    return {
        Fact(Kind.OWNED, POD_OWNER): _count(("owner_kind",), pod_owner.any_selector(scope)),
        Fact(Kind.AMBIGUOUS, POD_OWNER): _count((), f"{aggregate('count', _POD_LABELS, by_owner)} > 2"),
        Fact(Kind.RESTARTED, RESTARTS): _count((), f"{restarts} > 0"),
        Fact(Kind.ANY, POD_OWNER): _count(_JOB, pod_owner.any_selector(scope)),
    }


def mesh_labels(exporter: Exporter, scope: Scope) -> dict[Fact, LabeledQuery]:
    """The labels that connections of a mesh need, and the clusters that its series are of."""
    metric = CATALOGUE[linkerd.REQUESTS if exporter is Exporter.LINKERD else istio.REQUESTS]
    nameless = selector(metric.name, (*metric.matchers, 'namespace=""'), scope)
    parts = {
        Fact(Kind.NAMELESS, metric.name): _count(_JOB, nameless),
        Fact(Kind.NAMESPACES, exporter): _namespaces(metric.any_selector(scope), scope),
    }
    if exporter is Exporter.ISTIO:
        parts[Fact(Kind.REPORTERS, metric.name)] = _count(("reporter",), metric.any_selector(scope))
    return parts


def present(metrics: Iterable[str], scope: Scope) -> dict[Fact, LabeledQuery]:
    """Which of *metrics* have series."""
    names = f'__name__=~"{"|".join(metrics)}"'
    return {Fact(Kind.PRESENT, CONNECTIONS): _count(("__name__",), selector("", (names,), scope))}


def since(metric: Metric, scope: Scope) -> Iterator[tuple[Fact, LabeledQuery]]:
    """Whether *metric* had series at each of the ages."""
    for age_seconds in AGES_SECONDS:
        past = f"{metric.any_selector(scope)} offset {age_seconds}s"
        yield Fact(Kind.SINCE, past_of(metric.name, age_seconds)), _labelled("group", (), past)


def past_of(metric: str, age_seconds: float) -> str:
    """The subject of the fact whether *metric* had series at this age."""
    return f"{metric}@{age_seconds:g}"

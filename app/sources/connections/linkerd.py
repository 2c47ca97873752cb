"""Linkerd: the metrics of its proxies, as linkerd-viz or the control plane's PodMonitor scrapes them.

The labels of a series name the workload of the source, unless scraping replaced them: it makes a metric label
of every label of a Pod, so that a Pod's own label `deployment: blue` overrides the name of its Deployment.
The names of the meshed Pods, which are queried first, show whether that happened. If so, series are also
summed by the Pod's name without its suffix, which the Pods of one controller share: one series per edge and
ReplicaSet in place of one per edge.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np

from app.domain.connection_providers import Provider
from app.domain.pod_names import may_generate
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, EdgeFault, StepRange
from app.sources.connections.conversation import Conversation, LabeledQuery, QueryBatch, packed
from app.sources.connections.counters import WINDOWS_PER_RATE, ProxyCounters, ProxySeries
from app.sources.connections.edges import EdgeRates, EndpointNaming, join_connections
from app.sources.connections.new_series import (
    ANY_POD,
    POD,
    UP,
    PodsWithNewSeries,
    new_series_of_pods,
    pods_with_new_series,
)
from app.sources.connections.scrapers import LONGEST_SCRAPER_LABELS, repeated_targets, scraper_labels
from app.sources.queries import (
    LOAD_LABELS,
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
    destination_matchers,
    equal_matchers,
    excluded_matchers,
    selector,
    shard_matchers,
)
from app.sources.query_result import Key, SeriesMatrix

REQUESTS, RESPONSES = "request_total", "response_total"
WRITTEN_BYTES, READ_BYTES = "tcp_write_bytes_total", "tcp_read_bytes_total"

# The label of each kind, at both endpoints: `deployment` and `dst_deployment`.
KINDS: Final[Mapping[str, str]] = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "replicaset": "ReplicaSet",
    "replicationcontroller": "ReplicationController",
    "cronjob": "CronJob",
    "k8s_job": "Job",
}
REPLICAS = "replicas"  # the profiler's own label: a Pod's name without the suffix that is unique to the Pod
_DESTINATION = tuple(f"dst_{label}" for label in ("namespace", *KINDS, "target_cluster"))
PROXY_LABELS = ("namespace", REPLICAS, *KINDS)
EDGE_LABELS = (*PROXY_LABELS, *_DESTINATION)
POD_LABELS = ("namespace", "pod", REPLICAS, *KINDS)
_OPTIONAL = frozenset({REPLICAS, *KINDS, *_DESTINATION})

# The labels in which the outbound series of one proxy differ, and the start of its process.
PROXY = ProxySeries(
    (
        *("namespace", "pod", "direction", "peer", "authority", "target_addr", "tls", "server_id"),
        *("dst_pod", "dst_service", "classification", "status_code", "grpc_status", "error"),
        *_DESTINATION,
    ),
    start="process_start_time_seconds",
)
OUTBOUND = ('direction="outbound"',)
TO_SERVER = (*OUTBOUND, 'peer="dst"')
_RATES = (
    (REQUESTS, OUTBOUND),
    (RESPONSES, OUTBOUND),
    (WRITTEN_BYTES, TO_SERVER),
    (READ_BYTES, TO_SERVER),
)
_GRPC = (*OUTBOUND, 'grpc_status!=""')
# Linkerd's own scrape configurations set this label.
_PROXIES, _UNLABELLED = ('control_plane_ns!=""',), ('control_plane_ns=""',)
_JOB = ("job",)
_NAME_AND_SUFFIX = "(.+?)(-([a-z0-9]{5}|[0-9]+))?"


class Linkerd:
    """Requests and responses on the client's side; written and read bytes of its connections to servers."""

    name = "linkerd"
    identity = Provider.LINKERD
    metrics = (REQUESTS, WRITTEN_BYTES)

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """The largest batch has two rates; requests have neither the most nor the fewest series."""
        counts = f"count_over_time({self.reporters(scope)}[{WINDOW}])"
        labels = (*LOAD_LABELS, *clusters)
        query = f"{2 * WINDOWS_PER_RATE} * {aggregate('sum', labels, counts)}"
        return LabeledQuery(query, labels, frozenset(labels[1:]))

    def reporters(self, scope: Scope) -> str:
        """What proxies send."""
        namespaces = (*excluded_matchers("namespace", scope), *destination_matchers("dst_namespace", scope))
        return selector(REQUESTS, (*OUTBOUND, *namespaces), scope)

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """That of the long rates of proxies that are scraped twice."""
        sources = shard_matchers("namespace", scope, shard)
        targets = ProxyTargets((*_PROXIES, *sources), LONGEST_SCRAPER_LABELS)
        queries = EdgeQueries(sources, targets, scope, by_replicas=True)
        return max(len(query) for query in map(queries.outbound_rate, _RATES))

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the Pods of each source; then four rates of each edge, and the scrapes of each source.

        Proxies without the label of the control plane are those of the scrape jobs with their requests. If a
        source has no known Pod, its labels may not name its workload: the rates are queried once more.
        """
        sources = shard_matchers("namespace", scope, shard)
        proxies: Matchers = (*_PROXIES, *sources)
        unlabelled_jobs = LabeledQuery(unlabelled_jobs_of_proxies(sources, scope), _JOB)
        pods, added, unlabelled = yield (_pods_batch(proxies, scope, steps, unlabelled_jobs),)
        if unlabelled.keys:
            of_labelled = LabeledQuery(aggregate("group", _JOB, selector(UP, proxies, scope)), _JOB)
            [labelled] = yield (QueryBatch((of_labelled,), steps, is_of_pods=True),)
            jobs = (job for (job,) in (*unlabelled.keys, *labelled.keys))
            proxies = (*equal_matchers("job", jobs), *sources)
            pods, added = yield (_pods_batch(proxies, scope, steps),)
        scrapers: tuple[str, ...] = ()
        if _are_scraped_twice(pods):
            [repeated] = yield (QueryBatch((repeated_targets(proxies, scope),), steps, is_of_pods=True),)
            scrapers = scraper_labels(repeated.keys)

        has_kinds = not _kinds_differ(pods)
        by_replicas = _pods_by_source(pods, has_kinds=has_kinds)
        targets = ProxyTargets(proxies, scrapers, pods_with_new_series(added))
        queries, pods_by_source = (
            EdgeQueries(sources, targets, scope, by_replicas=False, has_kinds=has_kinds),
            _merge_replicas(by_replicas),
        )
        answers = _Answers(*(yield queries.batches(steps))) if _all_labels_fit(by_replicas) else None
        if answers is None or answers.sources - pods_by_source.keys():
            queries, pods_by_source = replace(queries, by_replicas=True), by_replicas
            answers = _Answers(*(yield queries.batches(steps)))

        naming = EndpointNaming(len(PROXY_LABELS), _source, _destination, pods_by_source)
        return join_connections(answers.rates, answers.scrapes, naming, scope=scope, steps=steps)


def _pods_batch(targets: Matchers, scope: Scope, steps: StepRange, *others: LabeledQuery) -> QueryBatch:
    """The queries on the meshed Pods of *steps*, and on those with new series, at their end; and *others*."""
    seconds = len(steps) * STEP_SECONDS
    pods = LabeledQuery(proxy_pods(targets, scope, seconds=seconds), POD_LABELS, _OPTIONAL)
    added = LabeledQuery(new_series_of_pods(targets, scope, seconds=seconds), POD)
    return QueryBatch((pods, added, *others), StepRange(steps.last, steps.last), is_of_pods=True)


def _are_scraped_twice(pods: SeriesMatrix) -> bool:
    """True if some Pod has several targets, whatever labels of its workload each of these has."""
    targets: Counter[Key] = Counter()
    for (namespace, pod, *_), number in zip(pods.keys, np.nan_to_num(pods.values[:, -1]), strict=True):
        targets[namespace, pod] += number
    return any(number > 1 for number in targets.values())


def _kinds_differ(pods: SeriesMatrix) -> bool:
    """True if scrapers name different workloads of one Pod: only one of them sets the labels of kinds."""
    return len({key[:2] for key in pods.keys}) < len(pods.keys)


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers on `EdgeQueries.batches`."""

    requests: SeriesMatrix
    responses: SeriesMatrix
    grpc: SeriesMatrix
    written: SeriesMatrix
    read: SeriesMatrix
    scrapes: SeriesMatrix

    @property
    def rates(self) -> EdgeRates:
        """The rates of all edges."""
        return EdgeRates(
            self.requests, self.responses, self.written, self.read, grpc=frozenset(self.grpc.keys)
        )

    @property
    def sources(self) -> set[Key]:
        """The sources of all requests and responses."""
        return {key[: len(PROXY_LABELS)] for key in (*self.requests.keys, *self.responses.keys)}


@dataclass(frozen=True, slots=True)
class ProxyTargets:
    """The targets of proxies, the labels by which their scrapers differ, and the Pods with new series."""

    matchers: Matchers
    scraper_labels: tuple[str, ...] = ()
    new_series: PodsWithNewSeries = ANY_POD


@dataclass(frozen=True, slots=True)
class EdgeQueries:
    """Queries on the proxies of some sources, summed over the Pods of a source.

    Without *has_kinds*, the sources have no labels of kinds.
    """

    sources: Matchers
    targets: ProxyTargets
    scope: Scope
    by_replicas: bool
    has_kinds: bool = True

    def batches(self, steps: StepRange) -> tuple[QueryBatch, ...]:
        """Requests; responses and which edges are of gRPC; written and read bytes, and scrapes.

        Without duplicates all texts fit into three batches.
        """
        requests, responses, written, read = (
            self._labeled(EDGE_LABELS, self.outbound_rate(rate)) for rate in _RATES
        )
        grpc = self._labeled(EDGE_LABELS, self.grpc_edges())
        scrapes = self._labeled(PROXY_LABELS, self.proxy_scrapes())
        batches = ((requests,), (responses, grpc), (written, read, scrapes))
        return tuple(chain.from_iterable(packed(batch, steps) for batch in batches))

    @staticmethod
    def _labeled(labels: tuple[str, ...], query: str) -> LabeledQuery:
        return LabeledQuery(query, labels, _OPTIONAL)

    @property
    def _counters(self) -> ProxyCounters:
        targets = self.targets
        return ProxyCounters(PROXY, targets.matchers, self.scope, targets.scraper_labels, targets.new_series)

    def outbound_rate(self, counter: tuple[str, Matchers]) -> str:
        """A rate per second of each directed edge.

        Only excluded namespaces are left out: no selector can express that one of two endpoints is included.
        """
        metric, matchers = counter
        matchers = (*matchers, *self.sources, *destination_matchers("dst_namespace", self.scope))
        labels = self._scraped(EDGE_LABELS)
        if not self.by_replicas:
            return self._counters.total(labels, metric, matchers)
        by_pod = self._counters.by_pod(labels, metric, matchers)
        return _aggregate_by_replicas("sum", EDGE_LABELS, by_pod)

    def grpc_edges(self) -> str:
        """1 for each edge with a response of gRPC, which has a status of its own."""
        matchers = (*_GRPC, *self.sources, *destination_matchers("dst_namespace", self.scope))
        present = selector(RESPONSES, matchers, self.scope)
        labels = self._scraped(EDGE_LABELS)
        if not self.by_replicas:
            return aggregate("group", labels, present)
        return _aggregate_by_replicas("group", EDGE_LABELS, aggregate("group", (*labels, "pod"), present))

    def proxy_scrapes(self) -> str:
        """The number of successful scrapes of a source's proxies in the step (the maximum over its Pods).

        A proxy drops the series of an edge after ten idle minutes, but `up` remains.
        """
        labels = self._scraped(PROXY_LABELS)
        if not self.by_replicas:
            return self._counters.scrapes(labels)
        return _aggregate_by_replicas("max", PROXY_LABELS, self._counters.scrapes((*labels, "pod")))

    def _scraped(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Those of *labels* by which scraped series are added up."""
        unused = {REPLICAS} if self.has_kinds else {REPLICAS, *KINDS}
        return tuple(label for label in labels if label not in unused)


def _without_replicas(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label for label in labels if label not in {REPLICAS, "pod"})


def proxy_pods(targets: Matchers, scope: Scope, *, seconds: int) -> str:
    """The query on all meshed Pods of the last *seconds*, with the number of targets of each."""
    present = f"max_over_time({selector(UP, targets, scope)}[{seconds}s])"
    by_pod = aggregate("count", (*_without_replicas(POD_LABELS), "pod"), present)
    return _aggregate_by_replicas("max", POD_LABELS, by_pod)


def unlabelled_jobs_of_proxies(sources: Matchers, scope: Scope) -> str:
    """The scrape jobs of proxies without the label of the control plane.

    They have requests of a client to an address, as only Linkerd has.
    """
    requests = selector(REQUESTS, (*_UNLABELLED, *OUTBOUND, 'target_addr!=""', *sources), scope)
    return aggregate("group", _JOB, f"last_over_time({requests}[1h])")


def _aggregate_by_replicas(operator: str, labels: tuple[str, ...], by_pod: str) -> str:
    """The aggregation of the series *by_pod* to one for each combination of *labels*, `REPLICAS` among them.

    The series are aggregated by Pod before, without their own label `replicas`. The server refuses the whole
    query if `label_replace` makes two series equal: those of one Pod whose own label `replicas` changed, or
    of two targets that differ in nothing else.
    """
    return aggregate(
        operator, labels, f'label_replace({by_pod},"{REPLICAS}","$1","pod","{_NAME_AND_SUFFIX}")'
    )


def _pods_by_source(pods: SeriesMatrix, *, has_kinds: bool) -> dict[Key, list[str]]:
    by_source: dict[Key, list[str]] = {}
    for namespace, pod, replicas, *names in pods.keys:
        source = (namespace, replicas, *(names if has_kinds else [""] * len(names)))
        by_source.setdefault(source, []).append(pod)
    return by_source


def _merge_replicas(pods_by_source: Mapping[Key, Sequence[str]]) -> dict[Key, list[str]]:
    """The Pods of each source if sources differ only in their labels, not in their Pods' names."""
    merged: dict[Key, list[str]] = {}
    for (namespace, _, *names), pods in pods_by_source.items():
        merged.setdefault((namespace, "", *names), []).extend(pods)
    return merged


def _all_labels_fit(pods_by_source: Mapping[Key, Sequence[str]]) -> bool:
    """True if there are Pods, and the labels of each fit its name."""
    return bool(pods_by_source) and all(_labels_fit(*item) for item in pods_by_source.items())


def _labels_fit(source: Key, pods: Sequence[str]) -> bool:
    """True if the labels name one workload, and its controller may have given these names to its Pods."""
    namespace, _, *names = source
    workloads = _labelled_workloads(namespace, names)
    return len(workloads) == 1 and all(may_generate(workloads[0], pod) for pod in pods)


def _source(key: Key) -> Workload:
    """The workload that the labels name; without them a workload without a name, found by its Pods."""
    namespace, replicas, *names = key
    workloads = _labelled_workloads(namespace, names)
    # Of several labels, one is the Pod's own: the Pod's name begins with the name of its workload.
    fitting = [workload for workload in workloads if f"{replicas}-".startswith(f"{workload.name}-")]
    best = max(fitting, key=lambda workload: len(workload.name), default=None)
    return best or next(iter(workloads), Workload(namespace, "", ""))


def _destination(key: Key) -> Workload | EdgeFault | None:
    """None outside the cluster, and for a Service without Pods of a workload; a fault in another cluster."""
    namespace, *names, target_cluster = key
    if target_cluster:
        return EdgeFault.OTHER_CLUSTER
    workloads = _labelled_workloads(namespace, names)
    return workloads[0] if namespace and workloads else None


def _labelled_workloads(namespace: str, names: Sequence[str]) -> list[Workload]:
    kinds = zip(KINDS.values(), names, strict=True)
    return [Workload(namespace, name, kind) for kind, name in kinds if name]

"""Linkerd: the metrics of its proxies, as linkerd-viz or the control plane's PodMonitor scrapes them.

The labels of a series name the workload of the source, unless scraping replaced them: it makes a metric label
of every label of a Pod, so that a Pod's own label `deployment: blue` overrides the name of its Deployment.
The names of the meshed Pods, which are queried first, show whether that happened. If so, series are also
summed by the Pod's name without its suffix, which the Pods of one controller share: one series per edge and
ReplicaSet in place of one per edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from app.domain.pod_names import may_generate
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, EdgeFault, StepRange
from app.sources.mesh.conversation import Conversation, LabeledQuery, QueryBatch, packed
from app.sources.mesh.counters import WINDOWS_PER_RATE, ProxyCounters
from app.sources.mesh.edges import EdgeRates, EndpointNaming, add_up, join_connections
from app.sources.mesh.new_series import EVERY_POD, POD, PodPart, parts_by_new_series, pods_with_new_series
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

# The labels in which the outbound series of one proxy differ.
SERIES_LABELS = (
    *("namespace", "pod", "direction", "peer", "authority", "target_addr", "tls", "server_id"),
    *("dst_pod", "dst_service", "classification", "status_code", "grpc_status", "error"),
    *_DESTINATION,
)
OUTBOUND = ('direction="outbound"',)
TO_SERVER = (*OUTBOUND, 'peer="dst"')
_GRPC = (*OUTBOUND, 'grpc_status!=""')
# Linkerd's own scrape configurations set this label.
_PROXIES = ('control_plane_ns!=""',)
_JOB = ("job",)
# The places of the answers on `EdgeQueries.batches`; a second part of Pods has rates only.
_RATES, _GRPC_EDGES, _SCRAPES = (0, 1, 3, 4), 2, 5
_NAME_AND_SUFFIX = "(.+?)(-([a-z0-9]{5}|[0-9]+))?"


class Linkerd:
    """Requests and responses on the client's side; written and read bytes of its connections to servers."""

    name = "linkerd"

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
        targets = ProxyTargets((*_PROXIES, *sources), has_duplicates=True, parts=(EVERY_POD,))
        queries = EdgeQueries(sources, targets, scope, by_replicas=True)
        return max(len(part.query) for part in queries.rates(EVERY_POD))

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the Pods of each source; then four rates of each edge, and the scrapes of each source.

        The few Pods with new series, if there are any, have queries of their own. If a source has no known
        Pod, its labels may not name its workload: the rates are queried once more.
        """
        matchers = shard_matchers("namespace", scope, shard)
        end = StepRange(steps.last, steps.last)
        proxies: Matchers = _PROXIES
        pods, with_new = yield (_pods_batch(proxies, matchers, scope, steps),)
        if not pods.keys:
            jobs_query = LabeledQuery(jobs_of_proxies(matchers, scope), _JOB)
            [jobs] = yield (QueryBatch((jobs_query,), end, is_of_pods=True),)
            if jobs.keys:
                proxies = equal_matchers("job", (job for (job,) in jobs.keys))
                pods, with_new = yield (_pods_batch(proxies, matchers, scope, steps),)

        by_replicas = _pods_by_source(pods)
        targets = ProxyTargets(
            (*proxies, *matchers),
            has_duplicates=bool((pods.values > 1).any()),
            parts=parts_by_new_series([pod for (pod,) in with_new.keys]),
        )
        queries, pods_by_source = (
            EdgeQueries(matchers, targets, scope, by_replicas=False),
            _merge_replicas(by_replicas),
        )
        matrices = (yield queries.batches(steps)) if _all_labels_fit(by_replicas) else None
        if matrices is None or _sources_of(matrices) - pods_by_source.keys():
            queries, pods_by_source = replace(queries, by_replicas=True), by_replicas
            matrices = yield queries.batches(steps)

        grpc, scrapes = matrices[_GRPC_EDGES], matrices[_SCRAPES]
        requests, responses, written, read = _rates_of(matrices)
        rates = EdgeRates(requests, responses, written, read, grpc=frozenset(grpc.keys))
        naming = EndpointNaming(len(PROXY_LABELS), _source, _destination, pods_by_source)
        return join_connections(rates, scrapes, naming, scope=scope, steps=steps)


def _pods_batch(proxies: Matchers, sources: Matchers, scope: Scope, steps: StepRange) -> QueryBatch:
    """The queries on the meshed Pods of *steps*, and on those with new series, at their end."""
    targets, seconds = (*proxies, *sources), len(steps) * STEP_SECONDS
    pods = LabeledQuery(proxy_pods(targets, scope, seconds=seconds), POD_LABELS, _OPTIONAL)
    with_new = LabeledQuery(pods_with_new_series(targets, scope, seconds=seconds), POD)
    return QueryBatch((pods, with_new), StepRange(steps.last, steps.last), is_of_pods=True)


@dataclass(frozen=True, slots=True)
class ProxyTargets:
    """The targets of proxies; some have several if they are scraped more than once, or were relabelled."""

    matchers: Matchers
    has_duplicates: bool
    parts: tuple[PodPart, ...]


@dataclass(frozen=True, slots=True)
class EdgeQueries:
    """Queries on the proxies of some sources, summed over the Pods of a source."""

    sources: Matchers
    targets: ProxyTargets
    scope: Scope
    by_replicas: bool

    def batches(self, steps: StepRange) -> tuple[QueryBatch, ...]:
        """Requests; responses, and which of them are of gRPC; written bytes, read bytes and scrapes.

        The rates of a second part of Pods come last.
        """
        first, *others = (self.rates(part) for part in self.targets.parts)
        requests, responses, written, read = first
        grpc = self._labeled(EDGE_LABELS, self.grpc_edges())
        scrapes = self._labeled(PROXY_LABELS, self.proxy_scrapes())
        batches = ((requests,), (responses, grpc), (written, read, scrapes), chain.from_iterable(others))
        return tuple(chain.from_iterable(packed(batch, steps) for batch in batches))

    def rates(self, part: PodPart) -> tuple[LabeledQuery, ...]:
        """Requests, responses, written bytes and read bytes of the Pods in *part*."""
        return tuple(
            self._labeled(EDGE_LABELS, self.outbound_rate(metric, matchers, part))
            for metric, matchers in (
                (REQUESTS, OUTBOUND),
                (RESPONSES, OUTBOUND),
                (WRITTEN_BYTES, TO_SERVER),
                (READ_BYTES, TO_SERVER),
            )
        )

    @staticmethod
    def _labeled(labels: tuple[str, ...], query: str) -> LabeledQuery:
        return LabeledQuery(query, labels, _OPTIONAL)

    @property
    def _counters(self) -> ProxyCounters:
        targets = self.targets
        return ProxyCounters(SERIES_LABELS, targets.matchers, self.scope, targets.has_duplicates)

    def outbound_rate(self, metric: str, matchers: Matchers, part: PodPart) -> str:
        """A rate per second of each directed edge from the Pods in *part*.

        Only excluded namespaces are left out: no selector can express that one of two endpoints is included.
        """
        matchers = (*matchers, *self.sources, *destination_matchers("dst_namespace", self.scope))
        labels, counters = _without_replicas(EDGE_LABELS), replace(self._counters, part=part)
        if not self.by_replicas:
            return counters.total(labels, metric, matchers)
        by_pod = counters.by_pod(labels, metric, matchers)
        return _aggregate_by_replicas("sum", EDGE_LABELS, by_pod)

    def grpc_edges(self) -> str:
        """1 for each edge with a response of gRPC, which has a status of its own."""
        matchers = (*_GRPC, *self.sources, *destination_matchers("dst_namespace", self.scope))
        labels = (*_without_replicas(EDGE_LABELS), "pod")
        present = aggregate("group", labels, selector(RESPONSES, matchers, self.scope))
        return self._by_replicas("group", EDGE_LABELS, present)

    def proxy_scrapes(self) -> str:
        """The number of successful scrapes of a source's proxies in the step (the maximum over its Pods).

        A proxy drops the series of an edge after ten idle minutes, but `up` remains.
        """
        labels = (*_without_replicas(PROXY_LABELS), "pod")
        return self._by_replicas("max", PROXY_LABELS, self._counters.scrapes(labels))

    def _by_replicas(self, operator: str, labels: tuple[str, ...], by_pod: str) -> str:
        """The aggregation of the series of Pods to one series for each combination of *labels*."""
        if self.by_replicas:
            return _aggregate_by_replicas(operator, labels, by_pod)
        return aggregate(operator, _without_replicas(labels), by_pod)


def _without_replicas(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label for label in labels if label not in {REPLICAS, "pod"})


def proxy_pods(targets: Matchers, scope: Scope, *, seconds: int) -> str:
    """The query on all meshed Pods of the last *seconds*, with the number of targets of each."""
    present = f"max_over_time({selector('up', targets, scope)}[{seconds}s])"
    by_pod = aggregate("count", (*_without_replicas(POD_LABELS), "pod"), present)
    return _aggregate_by_replicas("max", POD_LABELS, by_pod)


def jobs_of_proxies(sources: Matchers, scope: Scope) -> str:
    """The scrape jobs of proxies: those with requests of a client, a metric that only Linkerd has."""
    requests = selector(REQUESTS, (*OUTBOUND, 'target_addr!=""', *sources), scope)
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


def _pods_by_source(pods: SeriesMatrix) -> dict[Key, list[str]]:
    by_source: dict[Key, list[str]] = {}
    for namespace, pod, *source in pods.keys:
        by_source.setdefault((namespace, *source), []).append(pod)
    return by_source


def _merge_replicas(pods_by_source: Mapping[Key, Sequence[str]]) -> dict[Key, list[str]]:
    """The Pods of each source if sources differ only in their labels, not in their Pods' names."""
    merged: dict[Key, list[str]] = {}
    for (namespace, _, *names), pods in pods_by_source.items():
        merged.setdefault((namespace, "", *names), []).extend(pods)
    return merged


def _sources_of(matrices: Sequence[SeriesMatrix]) -> set[Key]:
    """The sources of all requests and responses."""
    requests, responses, *_ = _rates_of(matrices)
    return {key[: len(PROXY_LABELS)] for key in (*requests.keys, *responses.keys)}


def _rates_of(matrices: Sequence[SeriesMatrix]) -> list[SeriesMatrix]:
    """Requests, responses, written bytes and read bytes of all parts of Pods."""
    first = [matrices[place] for place in _RATES]
    others = matrices[_SCRAPES + 1 :]
    return [add_up((matrix, *others[place :: len(first)])) for place, matrix in enumerate(first)]


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

"""Linkerd: the metrics of its proxies, as linkerd-viz or the control plane's PodMonitor scrapes them.

The labels of a series name the workload of the source, unless scraping replaced them: it makes a metric label
of every label of a Pod, so that a Pod's own label `deployment: blue` overrides the name of its Deployment.
The names of the meshed Pods, which are queried first, show whether that happened. If so, series are also
summed by the Pod's name without its suffix, which the Pods of one controller share: one series per edge and
ReplicaSet in place of one per edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.domain.pod_names import may_generate
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.mesh.conversation import Conversation, LabeledQuery, QueryBatch
from app.sources.mesh.edges import EdgeRates, EndpointNaming, join_connections
from app.sources.queries import (
    LOAD_LABELS,
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
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
_DESTINATION = tuple(f"dst_{label}" for label in ("namespace", *KINDS))
PROXY_LABELS = ("namespace", REPLICAS, *KINDS)
EDGE_LABELS = (*PROXY_LABELS, *_DESTINATION)
POD_LABELS = ("namespace", "pod", REPLICAS, *KINDS)
_OPTIONAL = frozenset({REPLICAS, *KINDS, *_DESTINATION})

_OUTBOUND = ('direction="outbound"',)
_TO_SERVER = (*_OUTBOUND, 'peer="dst"')
_RATES: tuple[tuple[str, Matchers], ...] = (
    (REQUESTS, _OUTBOUND),
    (RESPONSES, _OUTBOUND),
    (WRITTEN_BYTES, _TO_SERVER),
    (READ_BYTES, _TO_SERVER),
)
_RATES_PER_BATCH = 2
# The scrape configuration of a linkerd-proxy sets this label.
_PROXIES = ('control_plane_ns!=""',)
_NAME_AND_SUFFIX = "(.+?)(-([a-z0-9]{5}|[0-9]+))?"


class Linkerd:
    """Requests and responses on the client's side; written and read bytes of its connections to servers."""

    name = "linkerd"

    def load(self, scope: Scope) -> LabeledQuery:
        """The largest batch has two rates; requests have neither the most nor the fewest series."""
        namespaces = (*excluded_matchers("namespace", scope), *excluded_matchers("dst_namespace", scope))
        counts = f"count_over_time({selector(REQUESTS, (*_OUTBOUND, *namespaces), scope)}[{WINDOW}])"
        return LabeledQuery(f"{_RATES_PER_BATCH} * {aggregate('sum', LOAD_LABELS, counts)}", LOAD_LABELS)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the Pods of each source; then four rates of each edge, and the scrapes of each source.

        If a source has no known Pod, its labels may not name its workload: the rates are queried once more.
        """
        matchers = shard_matchers("namespace", scope, shard)
        pods_query = proxy_pods(matchers, scope, seconds=len(steps) * STEP_SECONDS)
        end = StepRange(steps.last, steps.last)
        labeled = LabeledQuery(pods_query, POD_LABELS, _OPTIONAL)
        [pods] = yield (QueryBatch((labeled,), end, is_of_pods=True),)

        by_replicas = _pods_by_source(pods)
        queries, pods_by_source = (
            EdgeQueries(matchers, scope, by_replicas=False),
            _merge_replicas(by_replicas),
        )
        matrices = (yield queries.batches(steps)) if _all_labels_fit(by_replicas) else None
        if matrices is None or _sources_of(matrices) - pods_by_source.keys():
            queries, pods_by_source = replace(queries, by_replicas=True), by_replicas
            matrices = yield queries.batches(steps)

        requests, responses, written, read, scrapes = matrices
        rates = EdgeRates(requests, responses, written, read)
        naming = EndpointNaming(len(PROXY_LABELS), _source, _destination, pods_by_source)
        return join_connections(rates, scrapes, naming, scope=scope, steps=steps)


@dataclass(frozen=True, slots=True)
class EdgeQueries:
    """Queries on the proxies of some sources, summed over the Pods of a source."""

    sources: Matchers
    scope: Scope
    by_replicas: bool

    def batches(self, steps: StepRange) -> tuple[QueryBatch, ...]:
        """Requests; responses; written bytes, read bytes and scrapes."""
        requests, responses, *octets = (
            LabeledQuery(self.outbound_rate(*rate), EDGE_LABELS, _OPTIONAL) for rate in _RATES
        )
        scrapes = LabeledQuery(self.proxy_scrapes(), PROXY_LABELS, _OPTIONAL)
        return (
            QueryBatch((requests,), steps),
            QueryBatch((responses,), steps),
            QueryBatch((*octets, scrapes), steps),
        )

    def outbound_rate(self, metric: str, matchers: Matchers) -> str:
        """A rate per second of each directed edge.

        Only excluded namespaces are left out: no selector can express that one of two endpoints is included.
        """
        matchers = (*matchers, *self.sources, *excluded_matchers("dst_namespace", self.scope))
        return self._aggregate(
            "sum", EDGE_LABELS, f"rate({selector(metric, matchers, self.scope)}[{WINDOW}])"
        )

    def proxy_scrapes(self) -> str:
        """The number of successful scrapes of a source's proxies in the step (the maximum over its Pods).

        A proxy drops the series of an edge after ten idle minutes, but `up` remains.
        """
        scrapes = f"sum_over_time({selector('up', (*_PROXIES, *self.sources), self.scope)}[{WINDOW}])"
        return self._aggregate("max", PROXY_LABELS, scrapes)

    def _aggregate(self, operator: str, labels: tuple[str, ...], expression: str) -> str:
        if self.by_replicas:
            return _aggregate_by_replicas(operator, labels, expression)
        return aggregate(operator, tuple(label for label in labels if label != REPLICAS), expression)


def proxy_pods(sources: Matchers, scope: Scope, *, seconds: int) -> str:
    """The query on all meshed Pods of the last *seconds*."""
    present = f"max_over_time({selector('up', (*_PROXIES, *sources), scope)}[{seconds}s])"
    return _aggregate_by_replicas("max", POD_LABELS, present)


def _aggregate_by_replicas(operator: str, labels: tuple[str, ...], expression: str) -> str:
    """The aggregation of *expression* to one series for each combination of *labels*, `REPLICAS` among them.

    The series are aggregated by Pod first, without their own label `replicas`. The server refuses the whole
    query if `label_replace` makes two series equal: those of one Pod whose own label `replicas` changed, or
    of two targets that differ in nothing else.
    """
    own_labels = (*(label for label in labels if label not in {REPLICAS, "pod"}), "pod")
    by_pod = aggregate(operator, own_labels, expression)
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
    return {key[: len(PROXY_LABELS)] for matrix in matrices[:2] for key in matrix.keys}


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


def _destination(key: Key) -> Workload | None:
    """None outside the cluster, and for a Service without Pods of a workload."""
    namespace, *names = key
    workloads = _labelled_workloads(namespace, names)
    return workloads[0] if namespace and workloads else None


def _labelled_workloads(namespace: str, names: Sequence[str]) -> list[Workload]:
    kinds = zip(KINDS.values(), names, strict=True)
    return [Workload(namespace, name, kind) for kind, name in kinds if name]

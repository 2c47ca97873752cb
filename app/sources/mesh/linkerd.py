"""Linkerd's proxies, as linkerd-viz or the control plane's PodMonitor scrapes them.

A source is told by its labels, unless scraping replaced them: it makes a metric label of every label of a
Pod, so that a Pod's own label `deployment: blue` takes the place of its workload's. Whether any did is told
by the names of the meshed Pods, which are asked for first. If so, series are summed by the Pod's name without
its tail too, which the Pods of one controller share: one series per edge and ReplicaSet in place of one per
edge @@
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.domain.pod_names import may_name
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.mesh.conversation import Conversation, MeshQuery, QueryBatch
from app.sources.mesh.edges import EdgeRates, EndNaming, join_connections
from app.sources.queries import (
    LOAD_LABELS,
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
    excluded,
    of_shard,
    selector,
)
from app.sources.query_result import Key, SeriesMatrix

REQUESTS, RESPONSES = "request_total", "response_total"
WRITTEN_BYTES, READ_BYTES = "tcp_write_bytes_total", "tcp_read_bytes_total"

# The label of each kind, at both ends: `deployment` and `dst_deployment`.
KINDS: Final[Mapping[str, str]] = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "replicaset": "ReplicaSet",
    "replicationcontroller": "ReplicationController",
    "cronjob": "CronJob",
    "k8s_job": "Job",
}
REPLICAS = "replicas"  # our own: a Pod's name without the tail that tells it from its like
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
_RATES_AT_ONCE = 2
# Scraping a linkerd-proxy sets this label.
_PROXIES = ('control_plane_ns!=""',)
_TAIL = "(.+?)(-([a-z0-9]{5}|[0-9]+))?"


class Linkerd:
    """Requests and responses from the client's side; written and read bytes of its connections to servers."""

    name = "linkerd"

    def load(self, scope: Scope) -> MeshQuery:
        """Two rates are asked for at once; that of requests has neither the most nor the fewest series."""
        matchers = (*_OUTBOUND, *excluded("namespace", scope), *excluded("dst_namespace", scope))
        counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
        return MeshQuery(f"{_RATES_AT_ONCE} * {aggregate('sum', LOAD_LABELS, counts)}", LOAD_LABELS)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """The Pods behind each source; then four rates of each edge, and the scrapes of each source.

        A source of which no Pod is told is not known to be what its labels tell: all is asked once more.
        """
        of_shards = of_shard("namespace", scope, shard)
        present = proxy_pods(of_shards, scope, seconds=len(steps) * STEP_SECONDS)
        end = StepRange(steps.last, steps.last)
        [pods] = yield (QueryBatch((MeshQuery(present, POD_LABELS, _OPTIONAL),), end),)

        by_replicas = _pods_by_source(pods)
        sums, behind = EdgeQueries(of_shards, scope, by_replicas=False), _merged(by_replicas)
        answers = (yield sums.questions(steps)) if _are_told(by_replicas) else None
        if answers is None or _sources_of(answers) - behind.keys():
            sums, behind = replace(sums, by_replicas=True), by_replicas
            answers = yield sums.questions(steps)

        *rates, scraped = answers
        naming = EndNaming(len(PROXY_LABELS), _source, _destination, behind)
        return join_connections(EdgeRates(*rates), scraped, naming, scope=scope, steps=steps)


@dataclass(frozen=True, slots=True)
class EdgeQueries:
    """Queries on the proxies of some sources, summed over the source's like Pods."""

    sources: Matchers
    scope: Scope
    by_replicas: bool

    def questions(self, steps: StepRange) -> tuple[QueryBatch, ...]:
        """Requests; responses; written and read bytes, and scrapes."""
        requests, responses, *octets = (
            MeshQuery(self.outbound_rate(*rate), EDGE_LABELS, _OPTIONAL) for rate in _RATES
        )
        scrapes = MeshQuery(self.proxy_scrapes(), PROXY_LABELS, _OPTIONAL)
        return (
            QueryBatch((requests,), steps),
            QueryBatch((responses,), steps),
            QueryBatch((*octets, scrapes), steps),
        )

    def outbound_rate(self, metric: str, matchers: Matchers) -> str:
        """A rate per second of each directed edge.

        Only the excluded namespaces are left out here: that either end is included can't be said in one
        selector.
        """
        matchers = (*matchers, *self.sources, *excluded("dst_namespace", self.scope))
        return self._of("sum", EDGE_LABELS, f"rate({selector(metric, matchers, self.scope)}[{WINDOW}])")

    def proxy_scrapes(self) -> str:
        """How often the proxy of a source was scraped with success in the step (the most of its Pods).

        A proxy drops the series of an edge after ten idle minutes, while `up` stays.
        """
        scrapes = f"sum_over_time({selector('up', (*_PROXIES, *self.sources), self.scope)}[{WINDOW}])"
        return self._of("max", PROXY_LABELS, scrapes)

    def _of(self, operator: str, labels: tuple[str, ...], expression: str) -> str:
        if self.by_replicas:
            return aggregate(operator, labels, _with_replicas(expression))
        return aggregate(operator, tuple(label for label in labels if label != REPLICAS), expression)


def proxy_pods(sources: Matchers, scope: Scope, *, seconds: int) -> str:
    """Every meshed Pod that was there within the last *seconds*."""
    present = f"max_over_time({selector('up', (*_PROXIES, *sources), scope)}[{seconds}s])"
    return aggregate("max", POD_LABELS, _with_replicas(present))


def _with_replicas(expression: str) -> str:
    return f'label_replace({expression},"{REPLICAS}","$1","pod","{_TAIL}")'


def _pods_by_source(pods: SeriesMatrix) -> dict[Key, list[str]]:
    found: dict[Key, list[str]] = {}
    for namespace, pod, *source in pods.keys:
        found.setdefault((namespace, *source), []).append(pod)
    return found


def _merged(behind: Mapping[Key, Sequence[str]]) -> dict[Key, list[str]]:
    """The Pods behind each source, where sources are not told apart by the names of their Pods."""
    found: dict[Key, list[str]] = {}
    for (namespace, _, *names), pods in behind.items():
        found.setdefault((namespace, "", *names), []).extend(pods)
    return found


def _sources_of(answers: Sequence[SeriesMatrix]) -> set[Key]:
    """Those of all requests and responses."""
    return {key[: len(PROXY_LABELS)] for matrix in answers[:2] for key in matrix.keys}


def _are_told(behind: Mapping[Key, Sequence[str]]) -> bool:
    """True where there are Pods, and each is named as the one workload that its labels tell would name it."""
    return bool(behind) and all(_is_told(*each) for each in behind.items())


def _is_told(source: Key, pods: Sequence[str]) -> bool:
    namespace, _, *names = source
    told = _told(namespace, names)
    return len(told) == 1 and all(may_name(told[0], pod) for pod in pods)


def _source(key: Key) -> Workload:
    """What the labels tell; a workload without a name where they tell nothing, and the Pods have to."""
    namespace, replicas, *names = key
    told = _told(namespace, names)
    # Of several one is a Pod's own label: the name of the Pod shows which.
    fitting = [each for each in told if f"{replicas}-".startswith(f"{each.name}-")]
    best = max(fitting, key=lambda workload: len(workload.name), default=None)
    return best or next(iter(told), Workload(namespace, "", ""))


def _destination(key: Key) -> Workload | None:
    """None outside the cluster, and for a Service whose Pods belong to nobody."""
    namespace, *names = key
    told = _told(namespace, names)
    return told[0] if namespace and told else None


def _told(namespace: str, names: Sequence[str]) -> list[Workload]:
    kinds = zip(KINDS.values(), names, strict=True)
    return [Workload(namespace, name, kind) for kind, name in kinds if name]

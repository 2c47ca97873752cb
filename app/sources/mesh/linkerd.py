"""Linkerd's proxies, as linkerd-viz or the control plane's PodMonitor scrapes them.

A source is told by its Pod where its labels can't: scraping makes a metric label of every label of a Pod, so
that a Pod's own label `deployment: blue` takes the place of its workload's. One series per Pod and edge would
be too many; the Pods of one controller share their name but for its tail, so series are summed by the name
without it. That costs one series per edge and ReplicaSet (in place of one per edge and workload), and one
point per meshed Pod, by which the sums find their Pods again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from app.domain.workloads import Workload
from app.estimation.samples import STEP_SECONDS, ConnectionSamples, StepRange
from app.sources.connections import EdgeRates, Naming, join_connections
from app.sources.mesh.questions import Part, Question
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
from app.sources.series import Key, Matrix

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
# Scraping a linkerd-proxy sets this label.
_PROXIES = ('control_plane_ns!=""',)
_TAIL = "(.+?)(-([a-z0-9]{5}|[0-9]+))?"


class Linkerd:
    """Requests and responses from the client's side; written and read bytes of its connections to servers."""

    name = "linkerd"

    def load(self, scope: Scope) -> Part:
        """Four rates, of which that of requests has neither the most nor the fewest series."""
        matchers = (*_OUTBOUND, *excluded("namespace", scope), *excluded("dst_namespace", scope))
        counts = f"count_over_time({selector(REQUESTS, matchers, scope)}[{WINDOW}])"
        return Part(f"{len(_RATES)} * {aggregate('sum', LOAD_LABELS, counts)}", LOAD_LABELS)

    def questions(self, scope: Scope, steps: StepRange, shard: Shard) -> tuple[Question, ...]:
        """Four rates of each edge, the scrapes of each source, and the Pods behind each source."""
        sources = of_shard("namespace", scope, shard)
        requests, responses, *octets = (
            Part(outbound_rate(*rate, sources, scope), EDGE_LABELS, _OPTIONAL) for rate in _RATES
        )
        scrapes = Part(proxy_scrapes(sources, scope), PROXY_LABELS, _OPTIONAL)
        pods = Part(proxy_pods(sources, scope, seconds=len(steps) * STEP_SECONDS), POD_LABELS, _OPTIONAL)
        return (
            Question((requests,), steps),
            Question((responses,), steps),
            Question((*octets, scrapes), steps),
            Question((pods,), StepRange(steps.last, steps.last)),
        )

    def join(self, answers: Sequence[Matrix], scope: Scope, steps: StepRange) -> ConnectionSamples:
        """The edges whose two ends are told."""
        *rates, scrapes, pods = answers
        naming = Naming(len(PROXY_LABELS), _source, _destination, _pods_by_source(pods))
        return join_connections(EdgeRates(*rates), scrapes, naming, scope=scope, steps=steps)


def outbound_rate(metric: str, matchers: Matchers, sources: Matchers, scope: Scope) -> str:
    """A rate per second of each directed edge of *sources*, summed over the source's like Pods.

    Only the excluded namespaces are left out here: "either end is included" can't be said in one selector.
    """
    matchers = (*matchers, *sources, *excluded("dst_namespace", scope))
    return aggregate("sum", EDGE_LABELS, _by_replicas(f"rate({selector(metric, matchers, scope)}[{WINDOW}])"))


def proxy_scrapes(sources: Matchers, scope: Scope) -> str:
    """How often the proxy of a source was scraped with success in the step (the most of its Pods).

    A proxy drops the series of an edge after ten idle minutes, while `up` stays.
    """
    scrapes = f"sum_over_time({selector('up', (*_PROXIES, *sources), scope)}[{WINDOW}])"
    return aggregate("max", PROXY_LABELS, _by_replicas(scrapes))


def proxy_pods(sources: Matchers, scope: Scope, *, seconds: int) -> str:
    """Every meshed Pod that was there within the last *seconds*."""
    present = f"max_over_time({selector('up', (*_PROXIES, *sources), scope)}[{seconds}s])"
    return aggregate("max", POD_LABELS, _by_replicas(present))


def _by_replicas(expression: str) -> str:
    return f'label_replace({expression},"{REPLICAS}","$1","pod","{_TAIL}")'


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


def _pods_by_source(pods: Matrix) -> dict[Key, tuple[str, ...]]:
    found: dict[Key, tuple[str, ...]] = {}
    for namespace, pod, *source in pods.keys:
        key = (namespace, *source)
        found[key] = (*found.get(key, ()), pod)
    return found

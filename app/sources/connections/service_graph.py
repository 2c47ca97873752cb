"""Service graphs: requests between services, as traces show them.

OpenTelemetry's connector `servicegraph` (also in Alloy) and the metrics-generator of Tempo count pairs of
spans, each of which is a request and its response. They see the share of requests that is traced. OBI and
Beyla count all requests that reach a server; those of a client they count again on another node, so that the
histogram of servers counts.

An end is the workload that the dimensions `client_k8s_…` and `server_k8s_…` name. Without these it is the
only workload with the name of the service, in the namespace of the service if it has one. Databases, queues
and peers without spans of their own are no workloads.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from app.domain.connection_providers import Provider
from app.domain.dns_names import is_dns_label, is_dns_subdomain
from app.domain.workloads import SERVICE, Workload
from app.history.samples import StepRange
from app.sources.connections.collectors import (
    CollectorMetric,
    Collectors,
    NamespaceLabels,
    Presence,
    scrapes_of,
)
from app.sources.connections.conversation import Conversation, LabeledQuery, packed
from app.sources.connections.counters import ProxySeries
from app.sources.connections.edges import EdgeRates, EndpointNaming, add_up, join_connections
from app.sources.queries import Scope, Shard, destination_matchers
from app.sources.query_result import Key, SeriesMatrix

REQUESTS, SERVED = "traces_service_graph_request_total", "traces_service_graph_request_server_seconds_count"
DEFAULT_GENERATOR_NAMESPACES = frozenset(
    {"alloy", "beyla", "monitoring", "obi", "observability", "opentelemetry", "tempo"}
)

# OBI and Beyla name themselves; other generators have no such label, or another value.
_INSTRUMENTATION = 'source=~"beyla|obi"'
TRACED = CollectorMetric(REQUESTS, ('source!~"beyla|obi"',))
INSTRUMENTED = CollectorMetric(SERVED, (_INSTRUMENTATION,))

# Of several labels, the first one names the workload.
KINDS: Final = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
    "job": "Job",
    "replicaset": "ReplicaSet",
}
_OF_END = ("k8s_namespace_name", "service_namespace", "k8s_pod_name", *(f"k8s_{kind}_name" for kind in KINDS))
SOURCE_LABELS = ("client", *(f"client_{label}" for label in _OF_END))
DESTINATION_LABELS = ("connection_type", "server", *(f"server_{label}" for label in _OF_END))
_SOURCE_LENGTH = 1 + len(SOURCE_LABELS)  # of the key of a source, which begins with its namespace
SERIES = ProxySeries(
    (
        *("namespace", "pod", "job", "instance", "__metrics_gen_instance", "failed", "source"),
        *SOURCE_LABELS,
        *DESTINATION_LABELS,
    )
)


class ServiceGraph:
    """Requests that traces show; *sampling* is the share of requests that are traced.

    Collectors in *collector_namespaces* count, and series without the label `namespace`, which generators
    push.
    """

    name = "service-graph"
    identity = Provider.SERVICE_GRAPH
    metrics = (REQUESTS, SERVED)

    def __init__(
        self, sampling: float, collector_namespaces: Collection[str] = DEFAULT_GENERATOR_NAMESPACES
    ) -> None:
        if not 0 < sampling <= 1:
            raise ValueError(f"the share of traced requests is above 0 and at most 1, not {sampling}")
        self._sampling = sampling
        self._namespaces = frozenset(collector_namespaces)

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """The only batch has both rates, of different series."""
        return self._collectors(scope).load(scope, clusters, rates=1)

    def reporters(self, scope: Scope) -> str:
        """The series of clients."""
        return self._collectors(scope).reporters(scope, "client_k8s_pod_name")

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """That of the longer rate."""
        return self._collectors(scope).longest_rate(scope, shard)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the scrape jobs of collectors; if there are any, the edges, and the sources of the day."""
        collectors = self._collectors(scope)
        presence = Presence.of((yield (collectors.presence(scope, steps),)))
        nothing = SeriesMatrix((), np.empty((0, len(steps))))
        traced, instrumented, observed, sources = nothing, nothing, nothing, nothing
        if presence.jobs:
            counters = collectors.counters(scope, presence)
            counted = [collectors.rate(metric, counters, shard) for metric in collectors.metrics]
            batches = packed([*counted, collectors.observed(counters)], steps)
            traced, instrumented, observed, sources = yield (
                *batches,
                collectors.sources(scope, shard, steps),
            )
        traced = _without(traced, {_services(key) for key in instrumented.keys})
        rates = _rates(traced, instrumented, self._sampling, presence)
        clients = [*sources.keys, *(key[:_SOURCE_LENGTH] for key in rates.requests.keys)]
        scrapes = scrapes_of(clients, observed, len(steps))
        naming = _naming(clients, rates.requests.keys)
        samples = join_connections(rates, scrapes, naming, scope=scope, steps=steps)
        return replace(samples, sampling={self.identity: 1 / self._sampling} if traced.keys else {})

    def _collectors(self, scope: Scope) -> Collectors:
        to = destination_matchers("server_k8s_namespace_name", scope)
        return Collectors(
            tuple(replace(metric, matchers=(*metric.matchers, *to)) for metric in (TRACED, INSTRUMENTED)),
            SOURCE_LABELS,
            DESTINATION_LABELS,
            NamespaceLabels("client_k8s_namespace_name", "client_service_namespace"),
            SERIES,
            self._namespaces,
            may_push=True,
        )


def _rates(
    traced: SeriesMatrix, instrumented: SeriesMatrix, sampling: float, presence: Presence
) -> EdgeRates:
    """The rates of all requests, of which the *traced* ones are a share; each has a response."""
    requests = add_up((replace(traced, values=traced.values / sampling), instrumented))
    nothing = SeriesMatrix((), np.empty((0, traced.values.shape[1])))
    return EdgeRates(requests, replace(requests, unusable=0), nothing, nothing, dropped=presence.dropped)


def _naming(sources: Collection[Key], edges: Collection[Key]) -> EndpointNaming:
    """The naming of *sources* and of the destinations of *edges*."""
    destinations = {key[_SOURCE_LENGTH:] for key in edges}
    return EndpointNaming(
        _SOURCE_LENGTH,
        _source,
        _destination,
        {key: pods for key in sources if (pods := _pods(key[1:]))},
        {key: pods for key in destinations if (pods := _pods(key[1:]))},
    )


def _without(rates: SeriesMatrix, services: Collection[Key]) -> SeriesMatrix:
    """The rates of edges other than those between these *services*: what traces show of them is known."""
    rows = [row for row, key in enumerate(rates.keys) if _services(key) not in services]
    return replace(rates, keys=tuple(rates.keys[row] for row in rows), values=rates.values[rows])


def _services(key: Key) -> Key:
    """The names of the client and of the server."""
    return key[1], key[_SOURCE_LENGTH + 1]


def _source(key: Key) -> Workload | None:
    _, *labels = key
    return _workload(labels)


def _destination(key: Key) -> Workload | None:
    """None for a database, a queue, or a peer without spans of its own."""
    connection_type, *labels = key
    return None if connection_type else _workload(labels)


def _workload(labels: Sequence[str]) -> Workload | None:
    """The workload of an end; that of a service by its name. None if no workload can have the name."""
    service, namespace, service_namespace, pod, *names = labels
    for kind, name in zip(KINDS.values(), names, strict=True):
        if name:
            return Workload(namespace, name, kind)
    place = namespace or service_namespace
    if is_dns_subdomain(service) and (not place or is_dns_label(place)):
        return Workload(place, service, SERVICE)
    return Workload(namespace, "", "") if namespace and pod else None


def _pods(labels: Sequence[str]) -> tuple[str, ...]:
    """The Pod of an end, if its namespace is known: that of a service may have any name."""
    _, namespace, _, pod, *_ = labels
    return (pod,) if namespace and pod else ()

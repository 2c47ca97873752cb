"""Hubble: requests of HTTP that Cilium's agents see at clients and at servers.

The metric `httpV2` counts each response at the agent of the client (`reporter="client"`), at that of the
server (`reporter="server"`), or at both: in each step the one that saw more counts, never both. Every
response belongs to a request.

Which labels there are the operator chooses. An end is known by its Pod, else by its address, else by its
workload: of Pods on other nodes, agents know no workload. An address is the Pod that had it in the step.
"""

from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np

from app.domain.connection_providers import Provider
from app.domain.reporters import Reporters
from app.history.samples import ConnectionSamples, StepRange
from app.sources.connections.collectors import (
    CollectorMetric,
    Collectors,
    NamespaceLabels,
    Presence,
    scrapes_of,
)
from app.sources.connections.conversation import Conversation, LabeledQuery, packed
from app.sources.connections.counters import ProxySeries
from app.sources.connections.edges import EdgeRates, join_connections
from app.sources.connections.hubble_ends import DESTINATION_LABELS, END_LABELS, SOURCE_LABELS, HubbleEnds
from app.sources.connections.pod_addresses import PodAddresses, addresses_query
from app.sources.queries import Scope, Shard, destination_matchers, selector
from app.sources.query_result import SeriesMatrix

REQUESTS = "hubble_http_requests_total"
DEFAULT_AGENT_NAMESPACES = frozenset({"kube-system", "cilium"})

REPORTER = ("reporter",)
_AGENTS = 2  # those of both ends report an edge
# The older metric `http` has requests without a status, and responses apart.
_RESPONSES = CollectorMetric(REQUESTS, ('status!=""',))
SERIES = ProxySeries(
    (
        *("namespace", "pod", "job", "instance", "method", "protocol", "status", "reporter"),
        *("source_app", "destination_app", "traffic_direction"),
        *SOURCE_LABELS,
        *DESTINATION_LABELS,
    )
)
_ADDRESSES = ("source_ip", "destination_ip")
_ADDRESS_CONTEXTS = (("source", "source_pod"), ("destination", "destination_pod"))
_ADDRESS = "[0-9a-f]*[.:][0-9a-f.:]*"


class Hubble:
    """Requests and responses of HTTP; agents in *agent_namespaces* are trusted on every edge."""

    name = "hubble"
    identity = Provider.HUBBLE
    metrics = (REQUESTS,)

    def __init__(self, agent_namespaces: Collection[str] = DEFAULT_AGENT_NAMESPACES) -> None:
        self._namespaces = frozenset(agent_namespaces)

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """The largest batch has one rate."""
        return self._collectors(scope).load(scope, clusters, rates=1)

    def reporters(self, scope: Scope) -> str:
        """The series of clients."""
        return self._collectors(scope).reporters(scope, "source_pod")

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """That of the rate."""
        return self._collectors(scope).longest_rate(scope, shard, labels=REPORTER)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the scrape jobs of agents; if there are any, the edges, and the sources of the day.

        The addresses of Pods are read where series have ends without a Pod.
        """
        collectors = self._collectors(scope)
        *answers, addressed = yield (
            collectors.presence(scope, steps, self._with_addresses(collectors, scope)),
        )
        presence = Presence.of(answers)
        nothing = SeriesMatrix((), np.empty((0, len(steps))))
        rates, observed, sources, addresses = nothing, nothing, nothing, nothing
        if presence.jobs:
            counters = collectors.counters(scope, presence)
            [metric] = collectors.metrics
            rate = collectors.rate(metric, counters, shard, labels=REPORTER, rows_per_edge=_AGENTS)
            batches = (
                *packed([rate, collectors.observed(counters)], steps),
                collectors.sources(scope, shard, steps),
            )
            if addressed.keys:
                rates, observed, sources, addresses = yield (*batches, addresses_query(scope, steps))
            else:
                rates, observed, sources = yield batches
        ends = HubbleEnds(PodAddresses.of(addresses), len(steps))
        return _samples(rates, observed, sources, presence, ends, scope=scope, steps=steps)

    def _collectors(self, scope: Scope) -> Collectors:
        to = destination_matchers("destination_namespace", scope)
        return Collectors(
            (CollectorMetric(_RESPONSES.name, (*_RESPONSES.matchers, *to)),),
            SOURCE_LABELS,
            DESTINATION_LABELS,
            NamespaceLabels("source_namespace", "source", suffix="/.*"),
            SERIES,
            self._namespaces,
        )

    def _with_addresses(self, collectors: Collectors, scope: Scope) -> LabeledQuery:
        """Whether an end of some series has an address and no Pod."""
        labels = [(f'{label}!=""', f'{label.replace("_ip", "_pod")}=""') for label in _ADDRESSES]
        labels += [(f'{label}=~"{_ADDRESS}"', f'{pod}=""') for label, pod in _ADDRESS_CONTEXTS]
        series = (selector(REQUESTS, (*collectors.trusted, *matchers), scope) for matchers in labels)
        return LabeledQuery(f"group({' or '.join(series)})", ())


def _samples(  # noqa: PLR0913 - the answers
    rates: SeriesMatrix,
    observed: SeriesMatrix,
    sources: SeriesMatrix,
    presence: Presence,
    ends: HubbleEnds,
    *,
    scope: Scope,
    steps: StepRange,
) -> ConnectionSamples:
    requests = ends.edges(rates)
    known = chain.from_iterable(ends.source(key[1:]) for key in sources.keys)
    clients = (key[:END_LABELS] for key in requests.keys)
    scrapes = scrapes_of([*map(tuple, known), *clients], observed, len(steps))
    nothing = SeriesMatrix((), np.empty((0, len(steps))))
    edges = EdgeRates(
        requests,
        SeriesMatrix(requests.keys, requests.values),
        nothing,
        nothing,
        reporters=dict.fromkeys(requests.keys, Reporters.BOTH),
        dropped=presence.dropped,
    )
    return join_connections(edges, scrapes, ends.naming(), scope=scope, steps=steps)

"""The answers on flows as rates of edges in this cluster, from client to server; pure.

Without a label that shows the client, what A sends to B is an edge from A to B, and what B sends to A is one
from B to A: no byte counts twice, and none is said to be a reply. Where some flows of two workloads show one
of them as the client, and none shows the other, those of which the client is unknown are of that connection.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.domain.workloads import POD, Workload
from app.history.samples import EdgeFault
from app.sources.clusters import own_cluster
from app.sources.connections.edges import EdgeRates, EndpointNaming, add, align_rows
from app.sources.connections.flow_metrics import REQUEST, RESPONSE, FlowMetric
from app.sources.connections.reports import CLIENT, SERVER, all_reporters, dropped_claims, trusted_rates
from app.sources.query_result import Key, SeriesMatrix

# A key of an end has the namespace, and the kind and the name as one.
_END_LABELS = 2
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FlowAnswers:
    """The rates of flows by the namespace of the collector; and the number of packets per one looked at.

    *sampling* has that number by flow, *agent_sampling* that of all agents by step; NaN if it is unknown.
    """

    flows: SeriesMatrix
    sampling: SeriesMatrix
    agent_sampling: Values

    @property
    def factors(self) -> Values:
        """What the bytes of each flow are multiplied by; 1 where nothing shows it."""
        of_agents = np.where(np.isnan(self.agent_sampling), _mean(self.agent_sampling), self.agent_sampling)
        of_flows = align_rows(self.sampling, self.flows.keys, self.flows.values.shape[1])
        return np.fmax(np.where(np.isnan(of_flows), of_agents, of_flows), 1.0)

    @property
    def ratio(self) -> float:
        """The median of these factors."""
        return float(np.median(self.factors)) if self.flows.keys else 1.0

    @property
    def is_sampling_known(self) -> bool:
        """True if any series shows it."""
        return bool(np.isfinite(self.agent_sampling).any() or np.isfinite(self.sampling.values).any())


@dataclass(frozen=True, slots=True)
class _Flow:
    """A flow in a row of the answer, as a collector in a namespace reports it."""

    row: int
    sender: Key
    receiver: Key
    direction: str
    cluster: str
    collector: str

    def is_trusted(self, collectors: Collection[str]) -> bool:
        """True if the collector is in *collectors*, or in the namespace of an end."""
        return self.collector in {*collectors, self.sender[0], self.receiver[0]}


def edge_rates(
    answers: FlowAnswers,
    metric: FlowMetric,
    collectors: Collection[str],
    clients: NamespaceSelection = EVERY_NAMESPACE,
    cluster: str = "",
) -> EdgeRates:
    """The bytes of edges from *clients*, within *cluster* if it is known.

    Collectors in the namespaces *collectors* are trusted on every edge.
    """
    flows = [_flow(row, key, metric) for row, key in enumerate(answers.flows.keys)]
    trusted = [flow for flow in flows if flow.is_trusted(collectors)]
    clusters = _Clusters.of(trusted, collectors, cluster, metric.cluster)
    connections = {(flow.sender, flow.receiver) for flow in trusted if flow.direction == REQUEST}
    connections |= {(flow.receiver, flow.sender) for flow in trusted if flow.direction == RESPONSE}

    requests: dict[Key, list[int]] = {}
    responses: dict[Key, list[int]] = {}
    foreign: dict[Key, str] = {}
    for flow in flows:
        is_reply = _is_reply(flow, connections)
        client, server = (flow.receiver, flow.sender) if is_reply else (flow.sender, flow.receiver)
        edge = (*client, *server)
        if not clients.covers(client[0]):
            continue
        if not clusters.covers(flow):
            foreign[edge] = flow.collector
            continue
        reporter = SERVER if client[0] != flow.collector == server[0] else CLIENT
        rows = responses if is_reply else requests
        rows.setdefault((*edge, flow.collector, reporter), []).append(flow.row)

    values = answers.flows.values * answers.factors
    nothing = SeriesMatrix((), np.empty((0, values.shape[1])))
    sent = trusted_rates(_added_up(requests, answers.flows, values), collectors)
    received = trusted_rates(_added_up(responses, nothing, values), collectors)
    reporters = all_reporters((sent, received))
    dropped = Counter(dropped_claims((sent, received), reporters))
    dropped.update(
        (EdgeFault.OTHER_CLUSTER, namespace) for edge, namespace in foreign.items() if edge not in reporters
    )
    return EdgeRates(nothing, nothing, sent.rates, received.rates, reporters=reporters, dropped=dropped)


def client_of(edge: Key) -> Key:
    """The key of the client."""
    return edge[:_END_LABELS]


def server_of(edge: Key) -> Key:
    """The key of the server."""
    return edge[_END_LABELS:]


def end_naming(ends: Iterable[Key]) -> EndpointNaming:
    """Maps ends to workloads; a Pod without an owner is found by its name."""
    pods = {end: (name,) for end in ends for kind, name in [_kind_and_name(end)] if kind == POD}
    return EndpointNaming(_END_LABELS, _workload, _workload, pods, pods)


def client_scrapes(
    clients: Collection[Key], scrapes: SeriesMatrix, collectors: Collection[str]
) -> SeriesMatrix:
    """The scrapes of the collectors that each client is reported by: those of *collectors*, and its own."""
    by_namespace = {
        namespace: _largest(
            scrapes.values[
                [row for row, (name,) in enumerate(scrapes.keys) if name == namespace or name in collectors]
            ]
        )
        for namespace in {client[0] for client in clients}
    }
    values = np.array([by_namespace[client[0]] for client in clients])
    shape = len(clients), scrapes.values.shape[1]
    return SeriesMatrix(tuple(clients), values.reshape(shape), scrapes.unusable)


def end_key(labels: Sequence[str]) -> Key:
    """The key of an end with these values of its labels."""
    namespace, kind, name = labels
    return namespace, f"{kind}/{name}"


def _flow(row: int, key: Key, metric: FlowMetric) -> _Flow:
    sender, receiver, others = key[:3], key[3:6], key[6:]
    direction, cluster, collector = others if metric.direction else ("", *others)
    return _Flow(row, end_key(sender), end_key(receiver), direction, cluster, collector)


def _is_reply(flow: _Flow, connections: Collection[tuple[Key, Key]]) -> bool:
    """True if the receiver is the client, by the direction of this flow or of all others of the two."""
    if flow.direction in {REQUEST, RESPONSE}:
        return flow.direction == RESPONSE
    forward = (flow.sender, flow.receiver) in connections
    return not forward and (flow.receiver, flow.sender) in connections


@dataclass(frozen=True, slots=True)
class _Clusters:
    """The cluster of most namespaces, empty if none is; and those that flows of each namespace name."""

    own: str
    by_namespace: Mapping[str, Collection[str]]

    @classmethod
    def of(cls, flows: Iterable[_Flow], collectors: Collection[str], own: str, label: str) -> "_Clusters":
        """By trusted *flows*; raises SeveralClustersError, unless the *own* one is known."""
        values: dict[str, set[str]] = {}
        for flow in flows:
            if flow.cluster:
                namespace = flow.sender[0] if flow.collector in collectors else flow.collector
                values.setdefault(namespace, set()).add(flow.cluster)
        return cls(own or own_cluster(values, label), values)

    def covers(self, flow: _Flow) -> bool:
        """True if the flow is of the own cluster, or names none.

        Where no cluster is that of most, flows from a namespace that names several count for none.
        """
        if self.own:
            return flow.cluster in {"", self.own}
        return not flow.cluster or len(self.by_namespace.get(flow.sender[0], ())) < 2


def _added_up(rows: Mapping[Key, list[int]], flows: SeriesMatrix, values: Values) -> SeriesMatrix:
    """The sum of the *rows* of *values* with each key, with what is unusable and left out of *flows*."""
    sums = np.array([_total(values[numbers]) for numbers in rows.values()])
    return SeriesMatrix(tuple(rows), sums.reshape(len(rows), values.shape[1]), flows.unusable, flows.left_out)


def _total(rows: Values) -> Values:
    return reduce(add, rows)


def _largest(rows: Values) -> Values:
    nothing = np.full(rows.shape[1], np.nan)
    return reduce(np.fmax, rows, nothing)


def _mean(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def _kind_and_name(end: Key) -> tuple[str, str]:
    kind, _, name = end[1].partition("/")
    return kind, name


def _workload(end: Key) -> Workload:
    return Workload(end[0], _kind_and_name(end)[1], _kind_and_name(end)[0])

"""The ends of Hubble's edges, as far as its labels name them; and which of two agents counts; pure.

The operator chooses the labels. `source` has a Pod or a workload, with its namespace or without, or an
address, or something that is no workload. An agent knows the Pod and the namespace of any address of the
cluster, and workloads of its own node: two agents may name one end differently. Their counts are compared by
the names of Pods without what controllers add, so that none counts beside the other.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.dns_names import is_dns_label, is_dns_subdomain
from app.domain.workloads import GENERATED, SERVICE, Workload
from app.sources.connections.edges import EndpointNaming, Rates, add
from app.sources.connections.pod_addresses import PodAddresses, StepFlags
from app.sources.query_result import Key, SeriesMatrix

_OF_END = ("namespace", "pod", "workload", "workload_kind", "ip")
SOURCE_LABELS = (*(f"source_{label}" for label in _OF_END), "source")
DESTINATION_LABELS = (*(f"destination_{label}" for label in _OF_END), "destination")

_UNKNOWN = "unknown"  # in the place of a kind
# What controllers add to the name of a workload: a hash, five characters, or a number.
_GENERATED_TAIL = re.compile(rf"(?P<name>.+?)((-[456789bcdf]{{6,10}})?-{GENERATED}|-[0-9]+)")


class HubbleEnd(NamedTuple):
    """An end by its namespace, and its Pod or else its workload; of an unknown one, *name* is any label."""

    namespace: str
    pod: str
    name: str = ""
    kind: str = ""

    @property
    def group(self) -> tuple[str, str]:
        """The namespace, and the name without what controllers add to that of a Pod."""
        match = _GENERATED_TAIL.fullmatch(self.pod)
        return self.namespace, match["name"] if match else self.pod or self.name


END_LABELS = len(HubbleEnd._fields)
Edge = tuple[HubbleEnd, HubbleEnd]


class HubbleEnds:
    """Maps the labels of ends to Pods and workloads, in answers on some number of steps."""

    def __init__(self, addresses: PodAddresses, step_count: int) -> None:
        self._addresses, self._step_count = addresses, step_count
        self._workloads: dict[HubbleEnd, Workload] = {}  # that of a Pod, by other labels
        self._ends: dict[Key, Mapping[HubbleEnd, StepFlags | None]] = {}

    def of(self, labels: Key) -> Mapping[HubbleEnd, StepFlags | None]:
        """The ends that *labels* name, with the steps of each; None for all."""
        if labels not in self._ends:
            self._ends[labels] = self._find(labels)
        return self._ends[labels]

    def _find(self, labels: Key) -> Mapping[HubbleEnd, StepFlags | None]:
        place, pod, workload, kind, address, context = labels
        namespace, name, context_address = _of_context(context)
        place, address = place or namespace, address or context_address
        named = (
            Workload(place, workload, kind) if workload else Workload(place, name, SERVICE if name else "")
        )
        if pod and place:
            return {self._pod(place, pod, named): None}
        holders = self._addresses.of_address(address)
        ends: dict[HubbleEnd, StepFlags | None] = {
            self._pod(*holder, named if holder[0] == place else None): flags
            for holder, flags in holders.items()
        }
        rest = ~np.any(list(holders.values()), axis=0) if holders else np.ones(self._step_count, np.bool_)
        if rest.any():
            ends[self._without_pod(place, workload, kind, name or address)] = rest if holders else None
        return ends

    def source(self, labels: Key) -> Iterable[Key]:
        """The ends that *labels* name in any step."""
        return [end for end, flags in self.of(labels).items() if flags is None or flags.any()]

    def edges(self, rates: SeriesMatrix) -> SeriesMatrix:
        """The rates by ends: in each step those of the agent that saw more of an edge.

        *rates* have the namespace, the labels of both ends, and the reporter.
        """
        last = 1 + len(SOURCE_LABELS)
        totals: defaultdict[Edge, dict[str, Rates]] = defaultdict(dict)
        for key, values in zip(rates.keys, rates.values, strict=True):
            for source, of_source in self.of(key[1:last]).items():
                for destination, of_destination in self.of(key[last:-1]).items():
                    seen = _within(_within(values, of_source), of_destination)
                    if np.isfinite(seen).any():
                        _add_to(totals[source, destination], key[-1], seen)
        edges = _of_best_agent(totals)
        values = np.array(list(edges.values())).reshape(len(edges), rates.values.shape[1])
        keys = tuple((*source, *destination) for source, destination in edges)
        return SeriesMatrix(keys, values, rates.unusable, rates.left_out)

    def naming(self) -> EndpointNaming:
        """The naming of all ends seen so far."""
        pods = {tuple(end): (end.pod,) for end in self._workloads}
        return EndpointNaming(END_LABELS, self._workload, self._workload, pods, pods)

    def _pod(self, namespace: str, pod: str, named: Workload | None) -> HubbleEnd:
        end = HubbleEnd(namespace, pod)
        known = self._workloads.get(end)
        if known is None or (named and named.name and known.kind in {"", SERVICE}):
            self._workloads[end] = named or Workload(namespace, "", "")
        return end

    def _without_pod(self, place: str, workload: str, kind: str, name: str) -> HubbleEnd:
        if workload and place:
            return HubbleEnd(place, "", workload, kind)
        if place and is_dns_subdomain(name) and not _is_address(name):
            return self._pod(place, name, Workload(place, name, SERVICE))
        return HubbleEnd(place, "", name, _UNKNOWN)

    def _workload(self, key: Key) -> Workload | None:
        end = HubbleEnd(*key)
        if end.kind == _UNKNOWN:
            return None
        return self._workloads[end] if end.pod else Workload(end.namespace, end.name, end.kind)


def _of_context(context: str) -> tuple[str, str, str]:
    """The namespace, the name and the address that the value of `source` or `destination` has."""
    if _is_address(context):
        return "", "", context
    namespace, slash, name = context.partition("/")
    if slash:
        return (namespace, name, "") if is_dns_label(namespace) else ("", "", "")
    return "", context, ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _within(values: Rates, flags: StepFlags | None) -> Rates:
    return values if flags is None else np.where(flags, values, np.nan)


def _add_to(totals: dict[str, Rates], reporter: str, values: Rates) -> None:
    totals[reporter] = add(totals[reporter], values) if reporter in totals else values


def _of_best_agent(totals: Mapping[Edge, Mapping[str, Rates]]) -> dict[Edge, Rates]:
    """The rates of each edge in the steps in which its reporter saw most of all edges of its group."""
    names = {end: end.group for end in chain.from_iterable(totals)}
    groups: defaultdict[Key, dict[str, Rates]] = defaultdict(dict)
    for (source, destination), by_reporter in totals.items():
        for reporter, values in by_reporter.items():
            _add_to(groups[(*names[source], *names[destination])], reporter, values)
    best = {group: _best(by_reporter) for group, by_reporter in groups.items()}
    edges = {}
    for edge, by_reporter in totals.items():
        source, destination = edge
        reporters = best[(*names[source], *names[destination])]
        values = np.full(len(reporters), np.nan)
        for reporter, of_reporter in by_reporter.items():
            values = np.where(reporters == reporter, of_reporter, values)
        if np.isfinite(values).any():
            edges[edge] = values
    return edges


def _best(by_reporter: Mapping[str, Rates]) -> NDArray[np.str_]:
    """The reporter with the largest rate in each step; of equal ones the first by name, the client."""
    reporters = sorted(by_reporter)
    rates = np.array([by_reporter[reporter] for reporter in reporters])
    largest = np.argmax(np.where(np.isnan(rates), -1.0, rates), axis=0)
    names: NDArray[np.str_] = np.array(reporters)[largest]
    return names

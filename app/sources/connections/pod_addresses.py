"""The Pods that had an address, by step, as kube-state-metrics knows them; pure.

A Pod on the network of its host has no address of its own. One that has ended keeps its address in the
metrics while another Pod may have it. An address is that of the Pod that has it at the end of the step, else
of the one that had it before. Of several Pods it is that of none: a metric may claim it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.history.samples import StepRange
from app.sources.connections.conversation import LabeledQuery, QueryBatch
from app.sources.exported_labels import ObjectSeries
from app.sources.queries import WINDOW, Scope
from app.sources.query_result import SeriesMatrix

POD_INFO, POD_PHASE = "kube_pod_info", "kube_pod_status_phase"
_LABELS = ("pod_ip", "namespace", "pod")
_NOT_ON_HOST = 'host_network!="true"'
_ENDED = 'phase=~"Succeeded|Failed"'
_AT_END = "2m"  # of a step: time for a scrape

PodName = tuple[str, str]  # namespace and name
StepFlags = NDArray[np.bool_]
Values = NDArray[np.float64]


def addresses_query(scope: Scope, steps: StepRange) -> QueryBatch:
    """The query on the addresses of the Pods of all namespaces, in each step."""
    series = ObjectSeries(replace(scope, included=None, excluded=frozenset()))
    of_pods = series.selector(POD_INFO, 'pod_ip!=""', _NOT_ON_HOST)
    ended = f"(min_over_time({series.selector(POD_PHASE, _ENDED)}[{WINDOW}]) == 1)"
    at_end, in_step = (
        series.max_by(_LABELS, f"max_over_time({of_pods}[{window}]) unless on (namespace,pod) {ended}")
        for window in (_AT_END, WINDOW)
    )
    return QueryBatch((LabeledQuery(f"{at_end} or 0 * {in_step}", _LABELS),), steps, is_of_pods=True)


@dataclass(frozen=True, slots=True)
class PodAddresses:
    """For each address the Pods that had it, with the steps in which each counts."""

    pods: Mapping[str, Mapping[PodName, StepFlags]]

    @classmethod
    def of(cls, answer: SeriesMatrix) -> "PodAddresses":
        """From the answer on `addresses_query`."""
        holders: dict[str, dict[PodName, Values]] = {}
        for (address, namespace, pod), values in zip(answer.keys, answer.values, strict=True):
            holders.setdefault(address, {})[namespace, pod] = values
        return cls({address: _steps_of(pods) for address, pods in holders.items()})

    def of_address(self, address: str) -> Mapping[PodName, StepFlags]:
        """The Pods with *address*, and the steps of each."""
        return self.pods.get(address, {})


def _steps_of(pods: Mapping[PodName, Values]) -> Mapping[PodName, StepFlags]:
    """The steps of each Pod, of which the values are 1 at the end of a step, and 0 before it."""
    values = np.array(list(pods.values()))
    at_end, in_step = values == 1, np.isfinite(values)
    count = np.where(at_end.any(axis=0), at_end.sum(axis=0), in_step.sum(axis=0))
    flags = np.where(at_end.any(axis=0), at_end, in_step) & (count == 1)
    return dict(zip(pods, flags, strict=True))

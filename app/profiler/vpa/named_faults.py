"""The faults of VerticalPodAutoscalers that the status names."""

from collections.abc import Iterable
from typing import NamedTuple

from app.domain.fair_shares import take_turns

_MAX_NAMED = 50  # of the 200 in a report


class AutoscalerFault(NamedTuple):
    """What is wrong with a subject in a namespace."""

    namespace: str
    subject: str
    reason: str


def fault_of_object(name: str, reason: str) -> AutoscalerFault:
    """What is wrong with the VerticalPodAutoscaler `namespace/name`."""
    return AutoscalerFault(name.partition("/")[0], f"VerticalPodAutoscaler {name}", reason)


def named_faults(faults: Iterable[AutoscalerFault]) -> dict[str, str]:
    """The reasons of the first *faults* by subject, in order; namespaces take turns."""
    named = take_turns(sorted(faults), lambda fault: fault.namespace, _MAX_NAMED)
    return {fault.subject: fault.reason for fault in named}

"""The faults of VerticalPodAutoscalers that the status names."""

from collections.abc import Mapping

from app.domain.fair_shares import take_turns

_MAX_NAMED = 50  # of the 200 in a report


def named_faults(faults: Mapping[str, str]) -> dict[str, str]:
    """The first *faults* by `namespace/name`, in order; namespaces take turns."""
    ordered = sorted(faults.items())
    return dict(take_turns(ordered, lambda fault: fault[0].partition("/")[0], _MAX_NAMED))

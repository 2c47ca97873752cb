"""The status report: what a person reads to learn why a workload has a profile, or has none."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.workloads import Workload

# The report is one ConfigMap; the API server takes at most 1 MiB of it.
_MAX_LISTED = 2000


def reasons_without_profile(
    expected: Iterable[Workload],
    profiled: set[Workload],
    too_few: set[Workload],
    *,
    min_samples: int,
) -> dict[str, str]:
    """Why each of the *expected* workloads, and each with too few samples, has no profile."""
    reasons = {
        str(workload): f"TooFewSamples: fewer than {min_samples} of 5 minutes each"
        for workload in sorted(too_few)
    }
    for workload in sorted(expected):
        if workload not in profiled and workload not in too_few:
            reasons[str(workload)] = "NoSamples: no usage of its Pods was found"
    return reasons


def build_report(
    signals: list[dict[str, Any]],
    reasons: Mapping[str, str],
    *,
    profiles: Mapping[str, int],
    unattributed_namespaces: Iterable[str],
) -> dict[str, Any]:
    """The report; it holds nothing that differs between two cycles in which nothing happened."""
    listed = dict(list(reasons.items())[:_MAX_LISTED])
    return {
        "signals": signals,
        "profiles": dict(profiles),
        "workloadsWithoutProfile": listed,
        "workloadsWithoutProfileTotal": len(reasons),
        "namespacesWithUnattributedPods": sorted(unattributed_namespaces),
    }

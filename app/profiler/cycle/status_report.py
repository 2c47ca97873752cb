"""The status report: what a person reads to learn why a workload has a profile, or has none."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.domain.profiles import Identity, ProfileKind, Resource
from app.domain.workloads import Workload

# The report is one ConfigMap; the API server takes at most 1 MiB of it.
_MAX_LISTED = 2000


def reasons_without_profile(
    expected: Iterable[Workload],
    present: Collection[Identity],
    too_few: Iterable[Identity],
    *,
    min_samples: int,
    answered: bool,
) -> dict[str, str]:
    """Why workloads have no profile: those *expected*, and those that lack one for *too_few* samples.

    *present* are the profiles that are stored: what a source does not answer now was learned before.
    """
    lacking = sorted({identity.subject for identity in too_few if identity not in present})
    few = f"TooFewSamples: fewer than {min_samples} of 5 minutes each"
    none = "NoSamples: no usage of its Pods was found" if answered else "NoAnswer: the sources are failing"
    reasons = {str(workload): few for workload in lacking}
    for workload in sorted(expected):
        if not any(Identity(resource.profile_kind, workload) in present for resource in Resource):
            reasons.setdefault(str(workload), none)
    return reasons


def build_report(
    signals: list[dict[str, Any]],
    reasons: Mapping[str, str],
    *,
    profiles: Iterable[Identity],
    unattributed_namespaces: Iterable[str],
    past_pods_by: str,
) -> dict[str, Any]:
    """The report; it holds nothing that differs between two cycles in which nothing happened."""
    listed = dict(list(reasons.items())[:_MAX_LISTED])
    kinds = Counter(identity.kind for identity in profiles)
    return {
        "signals": signals,
        "profiles": {kind.value: kinds[kind] for kind in ProfileKind},
        "workloadsWithoutProfile": listed,
        "workloadsWithoutProfileTotal": len(reasons),
        "pastPodsAttributedBy": past_pods_by,
        "namespacesWithUnattributedPods": sorted(unattributed_namespaces)[:_MAX_LISTED],
    }

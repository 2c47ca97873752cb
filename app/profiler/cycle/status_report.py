"""The status report: signals, profile counts and the reasons why workloads have no profile."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.domain.profiles import Identity, ProfileKind, Resource
from app.domain.workloads import Workload

# The report is one ConfigMap; the API server accepts at most 1 MiB.
_MAX_LISTED = 2000


def reasons_without_profile(
    expected: Iterable[Workload],
    present: Collection[Identity],
    too_few: Iterable[Identity],
    *,
    min_samples: int,
    usage_queries_answered: bool,
) -> dict[str, str]:
    """The reason for each workload that has no profile: *expected* ones, and those with *too_few* samples.

    *present* are the stored profiles: a failing source does not invalidate values that were learned before.
    """
    lacking = sorted({identity.subject for identity in too_few if identity not in present})
    few_samples = f"TooFewSamples: fewer than {min_samples} samples, one per 5 minutes"
    no_samples = (
        "NoSamples: no usage of its Pods was found"
        if usage_queries_answered
        else "NoAnswer: the queries for usage fail"
    )
    reasons = {str(workload): few_samples for workload in lacking}
    for workload in sorted(expected):
        if not any(Identity(resource.profile_kind, workload) in present for resource in Resource):
            reasons.setdefault(str(workload), no_samples)
    return reasons


def build_report(
    signals: list[dict[str, Any]],
    reasons: Mapping[str, str],
    *,
    profiles: Iterable[Identity],
    unattributed_namespaces: Iterable[str],
    past_owner_source: str,
) -> dict[str, Any]:
    """The report; equal for two cycles between which nothing changed."""
    listed = dict(list(reasons.items())[:_MAX_LISTED])
    kinds = Counter(identity.kind for identity in profiles)
    return {
        "signals": signals,
        "profiles": {kind.value: kinds[kind] for kind in ProfileKind},
        "workloadsWithoutProfile": listed,
        "workloadsWithoutProfileTotal": len(reasons),
        "pastPodsAttributedBy": past_owner_source,
        "namespacesWithUnattributedPods": sorted(unattributed_namespaces)[:_MAX_LISTED],
    }

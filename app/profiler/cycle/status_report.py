"""The status report: signals, profile counts and the reasons why workloads have no profile."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.domain.fair_shares import take_turns, within_size
from app.domain.profiles import Identity, ProfileKind, Resource
from app.domain.workloads import Workload
from app.profiler.cycle.signals import Signal, SignalState

# The report is one ConfigMap; the API server accepts at most 1 MiB.
_MAX_LISTED, _MAX_PAST, _MAX_FAULTS, _MAX_FAULT_LENGTH = 2000, 50, 200, 300
# Names of custom resources have up to 253 characters.
_MAX_LISTED_SIZE = 512 * 1024


class Reasons(dict[str, str]):
    """The reason for each workload without a profile, those that exist first; `existing` is their number."""

    existing = 0


def reasons_without_profile(  # noqa: PLR0913 - everything in a cycle that a reason depends on
    expected: Iterable[Workload],
    present: Collection[Identity],
    too_few: Iterable[Identity],
    *,
    min_samples: int,
    usage_queries_answered: bool,
    known_kinds: Collection[ProfileKind] = frozenset(ProfileKind),
    failed_namespaces: Collection[str] = (),
    living: Collection[Workload] = (),
    unstored: Mapping[Identity, str] | None = None,
) -> Reasons:
    """The reason for each workload that has no profile: *expected* ones, and those with *too_few* samples.

    *present* are the stored profiles: a failing source does not invalidate values that were learned before.
    *unstored* has the reason for each profile that the profiler has samples of and does not store.
    A workload may have a profile of a kind that is not among the *known_kinds*, so that none lacks it.
    The workloads that exist come first: the *expected* ones, and the *living* ones that run to completion.
    Others are runs of the past, of which there may be thousands.
    """
    expected = set(expected)
    lacking = {
        identity.subject for identity in too_few if identity not in present and identity.kind in known_kinds
    }
    few_samples = f"TooFewSamples: fewer than {min_samples} samples, one per 5 minutes"
    no_samples = (
        "NoSamples: no usage of its Pods was found"
        if usage_queries_answered
        else "NoAnswer: the queries for usage fail"
    )
    kinds = [resource.profile_kind for resource in Resource]
    without_any = {
        workload
        for workload in expected
        if all(kind in known_kinds and Identity(kind, workload) not in present for kind in kinds)
    }
    existing = expected.union(living)
    reasons = Reasons()
    derived = {
        identity.subject: reason
        for identity, reason in (unstored or {}).items()
        if identity.kind is not ProfileKind.CONNECTION and identity not in present
    }
    listed = lacking | without_any | derived.keys()
    for workload in sorted(listed, key=lambda workload: (workload not in existing, workload)):
        if isinstance(workload, Workload) and workload.namespace in failed_namespaces:
            reason = _NO_ANSWER_OF_NAMESPACE
        else:
            reason = derived.get(workload) or (few_samples if workload in lacking else no_samples)
        reasons[str(workload)] = reason
        reasons.existing += workload in existing
    return reasons


_NO_ANSWER_OF_NAMESPACE = "NoAnswer: the query for usage fails for its namespace"


def question_faults(failed: Mapping[Signal, Mapping[str, str]]) -> dict[str, str]:
    """The reason of each failed query on a namespace, by the signal and the namespace."""
    return {
        f"{signal} of namespace {namespace}": reason
        for signal, namespaces in failed.items()
        for namespace, reason in sorted(namespaces.items())
    }


def signal_faults(states: Iterable[SignalState]) -> dict[str, str]:
    """The reason of each signal that needs attention."""
    return {
        state.signal.value: f"{state.reason}: {state.message}" for state in states if state.health.is_fault
    }


def build_report(  # noqa: PLR0913 - one argument per part of the report
    signals: list[dict[str, Any]],
    reasons: Mapping[str, str],
    *,
    faults: Mapping[str, str] | None = None,
    profiles: Iterable[Identity],
    known_kinds: Collection[ProfileKind] = frozenset(ProfileKind),
    unattributed_namespaces: Iterable[str],
    past_owner_source: str,
) -> dict[str, Any]:
    """The report; equal for two cycles between which nothing changed.

    The number of *profiles* is null for a kind that is not among the *known_kinds*.
    """
    existing = reasons.existing if isinstance(reasons, Reasons) else len(reasons)
    listed = _listed(list(reasons.items()), existing)
    kinds = Counter(identity.kind for identity in profiles)
    return {
        "signals": signals,
        "profiles": {kind.value: kinds[kind] if kind in known_kinds else None for kind in ProfileKind},
        "workloadsWithoutProfile": listed,
        "workloadsWithoutProfileTotal": len(reasons),
        "workloadsWithoutProfileByReason": _count_by_reason(reasons, existing),
        **report_faults(faults or {}),
        "pastPodsAttributedBy": past_owner_source,
        "namespacesWithUnattributedPods": sorted(unattributed_namespaces)[:_MAX_LISTED],
    }


def _listed(reasons: list[tuple[str, str]], existing: int) -> dict[str, str]:
    """The first reasons; beyond the limits namespaces take turns, in which those that exist come first."""

    def namespace_of(reason: tuple[str, str]) -> str:
        return namespace_in(reason[0])

    first = take_turns(reasons[:existing], namespace_of, _MAX_LISTED)
    past = take_turns(reasons[existing:], namespace_of, min(_MAX_LISTED - len(first), _MAX_PAST))
    return within_size(dict([*first, *past]), namespace_in, _MAX_LISTED_SIZE)


def namespace_in(workload: str) -> str:
    """The namespace in the text of a workload: `namespace/name`, or `kind/namespace/name`; else empty."""
    return workload.rpartition("/")[0].rpartition("/")[2]


def report_faults(faults: Mapping[str, str]) -> dict[str, Any]:
    """The part of the report on faults: the first of them, and their number."""
    listed = {subject: reason[:_MAX_FAULT_LENGTH] for subject, reason in list(faults.items())[:_MAX_FAULTS]}
    return {"faults": listed, "faultsTotal": len(faults)}


def _count_by_reason(reasons: Mapping[str, str], existing: int) -> dict[str, dict[str, int]]:
    """The number of workloads with each reason: of those that exist, and of runs of the past."""
    words = [reason.partition(":")[0] for reason in reasons.values()]
    counts = Counter(words[:existing]), Counter(words[existing:])
    return {word: {"existing": counts[0][word], "past": counts[1][word]} for word in sorted({*words})}

"""Metadata keys: annotations on Pods, opt-out and scheduling labels, workload identity on profiles."""

import re
from collections.abc import Callable, Mapping, Sequence
from sys import intern
from typing import Any

from app.domain.profiles import ProfileKind
from app.domain.workloads import Workload

CPU_PROFILE = "liqo.io/cpuProfile"
MEMORY_PROFILE = "liqo.io/memoryProfile"
CONNECTION_PROFILE = "liqo.io/connectionProfile"
_KINDS = {CPU_PROFILE: ProfileKind.CPU, MEMORY_PROFILE: ProfileKind.MEMORY}
_CONNECTION_PROFILE_KEY = re.compile(rf"{re.escape(CONNECTION_PROFILE)}[0-9]+")

# Summary of the requests and limits that the webhook set when the Pod was created; back-fill removes it after
# a resize of the Pod.
REQUESTS = "job-profiler.liqo.io/requests"

# Set by a kubelet on a mirror Pod, the API object of a static Pod (a manifest file on the node).
_MIRROR = "kubernetes.io/config.mirror"

# Opt-out: a Pod with this label and the value "true" keeps its annotations unchanged.
IGNORE_LABEL = "job-profiler.liqo.io/ignore"
# "true" on a namespace or a Pod enables requests from profiles; a Pod's label overrides its namespace's.
SCHEDULING_LABEL = "job-profiler.liqo.io/scheduling"

# On a namespace or a Pod template: the mode of the VerticalPodAutoscaler that the profiler keeps for a
# workload, and two fields of it. A template's label overrides its namespace's.
VPA_LABEL = "job-profiler.liqo.io/vpa"
VPA_MIN_REPLICAS = "job-profiler.liqo.io/vpa-min-replicas"
VPA_CONTROLLED_VALUES = "job-profiler.liqo.io/vpa-controlled-values"
VPA_LABELS = (VPA_LABEL, VPA_MIN_REPLICAS, VPA_CONTROLLED_VALUES)
_MAX_VPA_LABELS = 8  # of one object; others are no labels that are known
Labels = tuple[tuple[str, str], ...]

# The annotations of a policy on a namespace, a workload or a Pod template: `policy_annotations` reads them.
POLICY_PREFIX = "job-profiler.liqo.io/"

# The API server rejects Pods with more than 262,144 bytes of annotations; the rest is for other writers.
MAX_ANNOTATIONS_BYTES = 200 * 1024

WORKLOAD_KIND = "job-profiler.liqo.io/workload-kind"
WORKLOAD_NAMESPACE = "job-profiler.liqo.io/workload-namespace"
WORKLOAD_NAME = "job-profiler.liqo.io/workload-name"
SOURCE_KIND = "job-profiler.liqo.io/source-kind"
DESTINATION_KIND = "job-profiler.liqo.io/destination-kind"
# Labels of profiles, by which their owners select them.
PROFILE_NAMESPACE = "job-profiler.liqo.io/namespace"
PROFILE_KIND = "job-profiler.liqo.io/kind"
PROFILE_WORKLOAD = "job-profiler.liqo.io/workload"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
# On an exported NetworkPolicy: the share of peers whose calls no source sees.
UNSEEN_PEERS = "job-profiler.liqo.io/unseen-peers"
# The ends whose own proxies report a connection: "destination" or "both"; without it, the source alone.
REPORTED_BY = "job-profiler.liqo.io/reported-by"


def is_ours(key: str) -> bool:
    """True for every annotation key that only the profiler may set on a Pod."""
    return kind_of(key) is not None


def kind_of(key: str) -> ProfileKind | None:
    """The kind of profile that an annotation key names; None for a key of another writer."""
    if key in _KINDS:
        return _KINDS[key]
    return ProfileKind.CONNECTION if _CONNECTION_PROFILE_KEY.fullmatch(key) else None


def is_ours_at_admission(key: str) -> bool:
    """True for keys of `is_ours` and the requests summary, which only the webhook sets."""
    return key == REQUESTS or is_ours(key)


def opted_out(labels: Mapping[str, str] | None) -> bool:
    """True if the Pod has the opt-out label."""
    return (labels or {}).get(IGNORE_LABEL) == "true"


def is_mirror(annotations: Mapping[str, str] | None) -> bool:
    """True for a mirror Pod: the kubelet creates it for a static Pod, and it can't be changed."""
    return _MIRROR in (annotations or {})


def is_scheduling_enabled(labels: Mapping[str, str] | None) -> bool | None:
    """The scheduling label of a namespace or a Pod; None unless it is exactly "true" or "false"."""
    return {"true": True, "false": False}.get((labels or {}).get(SCHEDULING_LABEL, ""))


def vpa_labels(labels: Mapping[str, Any]) -> Labels:
    """Those of the *labels* of an object that decide on VerticalPodAutoscalers, in order of their keys."""
    found = (
        (key, value)
        for key, value in labels.items()
        if isinstance(value, str) and (key.startswith(VPA_LABEL) or key == IGNORE_LABEL)
    )
    return tuple(sorted(found)[:_MAX_VPA_LABELS])


def profile_labels(workload: Workload) -> dict[str, str]:
    """The labels of a profile of *workload*; a text that is no label value is left out."""
    labels = {
        PROFILE_NAMESPACE: workload.namespace,
        PROFILE_KIND: workload.kind,
        PROFILE_WORKLOAD: workload.name,
    }
    return {key: value for key, value in labels.items() if _LABEL_VALUE.fullmatch(value)}


def pod_annotations(
    cpu_profile: str | None, memory_profile: str | None, connection_profiles: Sequence[str]
) -> dict[str, str]:
    """The annotations that name these profiles of a workload; connections are numbered in name order."""
    annotations = {
        intern(f"{CONNECTION_PROFILE}{index}"): name for index, name in enumerate(sorted(connection_profiles))
    }
    if cpu_profile is not None:
        annotations[CPU_PROFILE] = cpu_profile
    if memory_profile is not None:
        annotations[MEMORY_PROFILE] = memory_profile
    return annotations


def connection_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The entries of *annotations* (only ours) that name connection profiles."""
    return {key: value for key, value in annotations.items() if key.startswith(CONNECTION_PROFILE)}


def need_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The entries of *annotations* (only ours) that name a CPU or memory profile."""
    return {key: value for key, value in annotations.items() if not key.startswith(CONNECTION_PROFILE)}


def fit_annotations(foreign_bytes: int, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """*wanted* if it fits beside annotations of *foreign_bytes*, else without connections, else empty."""
    if foreign_bytes + size_bytes(wanted) <= MAX_ANNOTATIONS_BYTES:
        return wanted
    needs = need_annotations(wanted)
    return needs if foreign_bytes + size_bytes(needs) <= MAX_ANNOTATIONS_BYTES else {}


def foreign_bytes(annotations: Mapping[str, str] | None, is_own: Callable[[str], bool] = is_ours) -> int:
    """The size of the annotations that are not ours, as the API server's limit counts it."""
    return size_bytes({key: value for key, value in (annotations or {}).items() if not is_own(key)})


def size_bytes(annotations: Mapping[str, str]) -> int:
    """The size of *annotations* as the API server's limit counts it: keys and values."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def merge_patch(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """The merge patch that makes our annotations in *present* equal to *wanted*; None removes a key."""
    removed = {key: None for key in present if is_ours(key) and key not in wanted}
    return removed | {key: value for key, value in wanted.items() if present.get(key) != value}

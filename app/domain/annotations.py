"""Keys in metadata: our annotations on Pods, the label that keeps them away, identity on a profile."""

import re
from collections.abc import Callable, Mapping, Sequence

CPU_PROFILE = "liqo.io/cpuProfile"
MEMORY_PROFILE = "liqo.io/memoryProfile"
CONNECTION_PROFILE = "liqo.io/connectionProfile"
_CONNECTION_PROFILE_KEY = re.compile(rf"{re.escape(CONNECTION_PROFILE)}[0-9]+")

# What was done with the requests of a Pod at its creation, in words; of no use to whoever comes later.
REQUESTS = "job-profiler.liqo.io/requests"

# Set by a kubelet on the Pod that stands for a file of its node.
_MIRROR = "kubernetes.io/config.mirror"

# A Pod with this label and the value "true" keeps whatever annotations it has.
IGNORE_LABEL = "job-profiler.liqo.io/ignore"
# "true" on a namespace or a Pod asks for requests from profiles; what a Pod says goes before its namespace's.
SCHEDULING_LABEL = "job-profiler.liqo.io/scheduling"

# The API server refuses a Pod whose annotations exceed 262,144 bytes; what others add later needs room too.
MAX_ANNOTATIONS_BYTES = 200 * 1024

WORKLOAD_KIND = "job-profiler.liqo.io/workload-kind"
WORKLOAD_NAMESPACE = "job-profiler.liqo.io/workload-namespace"
WORKLOAD_NAME = "job-profiler.liqo.io/workload-name"
SOURCE_KIND = "job-profiler.liqo.io/source-kind"
DESTINATION_KIND = "job-profiler.liqo.io/destination-kind"


def is_ours(key: str) -> bool:
    """True for every key that only the profiler may set on a Pod."""
    return key in {CPU_PROFILE, MEMORY_PROFILE} or _CONNECTION_PROFILE_KEY.fullmatch(key) is not None


def is_ours_at_admission(key: str) -> bool:
    """The same, and what the webhook alone writes: back-fill sets no requests, so it tells of none."""
    return key == REQUESTS or is_ours(key)


def opted_out(labels: Mapping[str, str] | None) -> bool:
    """True for a Pod that wants to be left alone."""
    return (labels or {}).get(IGNORE_LABEL) == "true"


def is_mirror(annotations: Mapping[str, str] | None) -> bool:
    """True for the Pod that stands for a file of its node: a kubelet made it, and nobody may change it."""
    return _MIRROR in (annotations or {})


def asks_for_requests(labels: Mapping[str, str] | None) -> bool | None:
    """What the labels of a namespace or a Pod say of requests from profiles; None where they say nothing."""
    return {"true": True, "false": False}.get((labels or {}).get(SCHEDULING_LABEL, ""))


def pod_annotations(
    cpu_profile: str | None, memory_profile: str | None, connection_profiles: Sequence[str]
) -> dict[str, str]:
    """The annotations of a Pod whose workload has these profiles: connections contiguous, in name order."""
    annotations = {
        f"{CONNECTION_PROFILE}{index}": name for index, name in enumerate(sorted(connection_profiles))
    }
    if cpu_profile is not None:
        annotations[CPU_PROFILE] = cpu_profile
    if memory_profile is not None:
        annotations[MEMORY_PROFILE] = memory_profile
    return annotations


def connections_of(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those of our annotations that name connections."""
    return {key: value for key, value in annotations.items() if key.startswith(CONNECTION_PROFILE)}


def needs_of(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those of our annotations that name a CPU or memory profile."""
    return {key: value for key, value in annotations.items() if not key.startswith(CONNECTION_PROFILE)}


def fitting(foreign_bytes: int, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """*wanted* as far as there is room beside the annotations of others: without connections, or nothing."""
    if foreign_bytes + size_bytes(wanted) <= MAX_ANNOTATIONS_BYTES:
        return wanted
    needs = needs_of(wanted)
    return needs if foreign_bytes + size_bytes(needs) <= MAX_ANNOTATIONS_BYTES else {}


def foreign_bytes(annotations: Mapping[str, str] | None, is_own: Callable[[str], bool] = is_ours) -> int:
    """What the annotations that are not ours count against the API server's limit."""
    return size_bytes({key: value for key, value in (annotations or {}).items() if not is_own(key)})


def size_bytes(annotations: Mapping[str, str]) -> int:
    """What they count against the API server's limit."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def changes(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """What makes our annotations in *present* equal to *wanted*, as a merge patch: None removes a key."""
    removed = {key: None for key in present if is_ours(key) and key not in wanted}
    return removed | {key: value for key, value in wanted.items() if present.get(key) != value}

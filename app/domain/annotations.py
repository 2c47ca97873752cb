"""The annotation keys: ours on every Pod, and those that carry a workload's identity on a profile."""

import re
from collections.abc import Sequence

CPU_PROFILE = "liqo.io/cpuProfile"
MEMORY_PROFILE = "liqo.io/memoryProfile"
CONNECTION_PROFILE = "liqo.io/connectionProfile"
_CONNECTION_PROFILE_KEY = re.compile(rf"{re.escape(CONNECTION_PROFILE)}[0-9]+")

WORKLOAD_KIND = "job-profiler.liqo.io/workload-kind"
WORKLOAD_NAMESPACE = "job-profiler.liqo.io/workload-namespace"
WORKLOAD_NAME = "job-profiler.liqo.io/workload-name"
SOURCE_KIND = "job-profiler.liqo.io/source-kind"
DESTINATION_KIND = "job-profiler.liqo.io/destination-kind"


def is_ours(key: str) -> bool:
    """True for every key that only the profiler may set on a Pod."""
    return key in {CPU_PROFILE, MEMORY_PROFILE} or _CONNECTION_PROFILE_KEY.fullmatch(key) is not None


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

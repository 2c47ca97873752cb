"""The record of a Pod: small, since a cluster may run 150,000 Pods."""

from collections.abc import Mapping

import msgspec

from app.domain.workloads import Workload


class PodRecord(msgspec.Struct, frozen=True, gc=False):
    """A Pod; `annotations` holds only keys that the profiler owns, and is shared by Pods: do not modify it.

    `foreign_bytes` is the size of all other annotations. A Pod that `is_exempt` must not be patched: it opted
    out, or it is a mirror Pod. `outdated_summary`: the Pod was resized after the webhook had summarised its
    requests.
    """

    namespace: str
    name: str
    uid: str
    created_at_seconds: int  # 0 if it is not known
    workload: Workload
    annotations: Mapping[str, str]
    foreign_bytes: int = 0
    is_exempt: bool = False
    outdated_summary: bool = False
    ephemeral_containers: tuple[str, ...] = ()

"""A Pod as it is remembered: small, since a cluster may run 150,000 of them."""

from collections.abc import Mapping

import msgspec

from app.domain.workloads import Workload


class PodRecord(msgspec.Struct, frozen=True, gc=False):
    """A Pod; its annotations are only those that the profiler owns. Not to be changed: Pods share them.

    `foreign_bytes` is the size of all other annotations. A Pod that `is_exempt` is never to be changed: it
    opted out, or it mirrors a file on a node.
    """

    namespace: str
    name: str
    uid: str
    created_at: str
    workload: Workload
    annotations: Mapping[str, str]
    foreign_bytes: int = 0
    is_exempt: bool = False

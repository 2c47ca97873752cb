"""Pods as a watch reports them, and the annotations of `web` of emojivoto."""

from collections.abc import Mapping
from datetime import datetime

from app.domain.pod_record import PodRecord
from app.domain.workloads import Workload
from tests.webhook.profiles import WEB, WEB_ANNOTATIONS

CREATED_AT = "2026-03-01T12:00:00Z"
DEBUG = Workload("emojivoto", "debug", "Pod")
NEEDS = {key: value for key, value in WEB_ANNOTATIONS.items() if "connection" not in key}


def running(
    name: str = "web-0",
    annotations: Mapping[str, str] | None = None,
    *,
    workload: Workload = WEB,
    namespace: str = "emojivoto",
    created_at: str = CREATED_AT,
    uid: str = "",
    foreign_bytes: int = 0,
    is_exempt: bool = False,
    outdated_summary: bool = False,
) -> PodRecord:
    """A Pod; by default of `web` and without profile annotations."""
    return PodRecord(
        namespace,
        name,
        uid or f"uid-of-{name}",
        int(datetime.fromisoformat(created_at).timestamp()),
        workload,
        annotations or {},
        foreign_bytes,
        is_exempt,
        outdated_summary,
    )

"""The autoscalers of a cluster by the workloads whose requests they set, or act on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.domain.workloads import Workload
from app.rightsizing.governors import Governor, read_horizontal
from app.vpa.governing import read_vertical


def governors_of(
    horizontal: Iterable[Mapping[str, Any]], vertical: Iterable[Mapping[str, Any]]
) -> dict[Workload, Sequence[Governor]]:
    """The autoscalers that decide on anything; an object that can't be read is left out."""
    governors: dict[Workload, list[Governor]] = {}
    for read, manifests in ((read_horizontal, horizontal), (read_vertical, vertical)):
        for manifest in manifests:
            try:
                governor = read(manifest)
            except (KeyError, TypeError, AttributeError):
                continue
            if governor.acts:
                governors.setdefault(governor.target, []).append(governor)
    return {workload: sorted(found, key=str) for workload, found in governors.items()}

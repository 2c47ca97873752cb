"""Limit of the memory of the usage history, shared by namespaces.

A Pod may claim usage of any number of containers, under other names at each scrape. And a cluster may grow
until four weeks of all its workloads are too much; two weeks make a choice nearly as good.
"""

from collections import Counter

import numpy as np

from app.domain.fair_shares import fair_shares
from app.domain.workloads import Workload
from app.history.usage import UsageState

# A namespace over its share loses the days before these first, today among them.
_LEAST_DAYS = 15
# What remains is smaller than the limit, so that the history is not renumbered for each further sample.
_KEPT_SHARE = 0.9


def drop_over_share(usage: UsageState, max_bytes: int) -> set[Workload]:
    """Drops whole workloads of *usage* if it takes more than *max_bytes*; returns them.

    Namespaces take turns: one within its share keeps all. One that has more loses its oldest days, down to
    15 of them, and if that is not enough, keeps the workloads that it has had for longest. A workload is
    dropped with all of its containers: the sum over some of them would be a wrong need.
    """
    if usage.memory_bytes <= max_bytes:
        return set()
    sizes, room = _sizes_and_room(usage, max_bytes)
    _forget_oldest_days(usage, {workload.namespace for workload in _over(sizes, room)})
    if usage.memory_bytes <= max_bytes:
        return set()
    sizes, room = _sizes_and_room(usage, max_bytes)
    dropped = _over(sizes, room)
    usage.keep(np.array([workload not in dropped for workload, _ in usage.series.index], dtype=np.bool_))
    return dropped


def _sizes_and_room(usage: UsageState, max_bytes: int) -> tuple[Counter[Workload], dict[str, int]]:
    """The memory of each workload, and what each namespace may have."""
    sizes = Counter[Workload]()
    for (workload, _), size in zip(usage.series.index, usage.series_bytes().tolist(), strict=True):
        sizes[workload] += size
    demands = Counter[str]()
    for workload, size in sizes.items():
        demands[workload.namespace] += size
    return sizes, fair_shares(demands, int(max_bytes * _KEPT_SHARE))


def _over(sizes: Counter[Workload], room: dict[str, int]) -> set[Workload]:
    """The workloads for which their namespace has no room, where those before them stay."""
    left, over = dict(room), set()
    for workload, size in sizes.items():
        if size <= left[workload.namespace]:
            left[workload.namespace] -= size
        else:
            over.add(workload)
    return over


def _forget_oldest_days(usage: UsageState, namespaces: set[str]) -> None:
    """Drop the samples of *namespaces* on all days but the last ones."""
    series = np.array(
        [number for (workload, _), number in usage.series.index.items() if workload.namespace in namespaces],
        dtype=np.int64,
    )
    for histograms in usage.histograms.values():
        histograms.forget_before(max(histograms.days, default=0) - _LEAST_DAYS + 1, series)

"""Limit of the memory of the usage history, shared by namespaces.

A Pod may claim usage of any number of containers, under other names at each scrape.
"""

from collections import Counter

import numpy as np

from app.domain.fair_shares import fair_shares
from app.domain.workloads import Workload
from app.history.usage import UsageState

# What remains is smaller than the limit, so that the history is not renumbered for each further sample.
_KEPT_SHARE = 0.9


def drop_over_share(usage: UsageState, max_bytes: int) -> set[Workload]:
    """Drops whole workloads of *usage* if it takes more than *max_bytes*; returns them.

    Namespaces take turns: one within its share keeps all, and one that has more keeps the workloads that it
    has had for longest. A workload is dropped with all of its containers: the sum over some of them would be
    a wrong need.
    """
    if usage.memory_bytes <= max_bytes:
        return set()
    sizes = Counter[Workload]()
    for (workload, _), size in zip(usage.series.index, usage.series_bytes().tolist(), strict=True):
        sizes[workload] += size
    demands = Counter[str]()
    for workload, size in sizes.items():
        demands[workload.namespace] += size
    room = fair_shares(demands, int(max_bytes * _KEPT_SHARE))
    dropped = set()
    for workload, size in sizes.items():
        if size <= room[workload.namespace]:
            room[workload.namespace] -= size
        else:
            dropped.add(workload)
    usage.keep(np.array([workload not in dropped for workload, _ in usage.series.index], dtype=np.bool_))
    return dropped

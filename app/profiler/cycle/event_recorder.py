"""Tells of single workloads what became of their profiles, and tells not too much."""

import asyncio
from datetime import datetime

from app.profiler.ports import WorkloadEventSink
from app.profiler.rate_limiter import SlidingWindowLimit
from app.profiler.workload_event import WorkloadEvent

MOST_A_MINUTE = 20


class WorkloadEventRecorder:
    """One term of a leader; what its first cycle finds is no news to anybody."""

    def __init__(self, sink: WorkloadEventSink | None) -> None:
        self._sink = sink
        self._bucket = SlidingWindowLimit(MOST_A_MINUTE, seconds=60)
        self._is_first = True

    async def tell(self, news: list[WorkloadEvent], now: datetime) -> int:
        """Tell one cycle's news; returns how much of it was dropped because it was too much."""
        is_first, self._is_first = self._is_first, False
        if is_first or self._sink is None:
            return 0
        told = [each for each in news if self._bucket.take(now.timestamp())]
        await asyncio.gather(*map(self._sink.record, told))
        return len(news) - len(told)

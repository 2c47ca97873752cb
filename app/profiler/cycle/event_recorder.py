"""Emits rate-limited Events on workloads."""

import asyncio
from datetime import datetime

from app.profiler.ports import WorkloadEventSink
from app.profiler.rate_limiter import SlidingWindowLimit
from app.profiler.workload_event import WorkloadEvent

MAX_EVENTS_PER_MINUTE = 20


class WorkloadEventRecorder:
    """The Events of one leader's term; the first cycle emits none, since its findings are not changes."""

    def __init__(self, sink: WorkloadEventSink | None) -> None:
        self._sink = sink
        self._limit = SlidingWindowLimit(MAX_EVENTS_PER_MINUTE, seconds=60)
        self._is_first_cycle = True

    async def record(self, events: list[WorkloadEvent], now: datetime) -> int:
        """Emit the Events of one cycle; returns how many were dropped by the rate limit."""
        is_first_cycle, self._is_first_cycle = self._is_first_cycle, False
        if is_first_cycle or self._sink is None:
            return 0
        allowed = [event for event in events if self._limit.take(now.timestamp())]
        await asyncio.gather(*map(self._sink.record, allowed))
        return len(events) - len(allowed)

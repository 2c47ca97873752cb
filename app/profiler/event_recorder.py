"""Emits rate-limited Events on workloads."""

import asyncio
from datetime import datetime

from app.profiler.ports import WorkloadEventSink
from app.profiler.rate_limiter import SlidingWindowLimit
from app.profiler.workload_event import WorkloadEvent

MAX_EVENTS_PER_MINUTE = 20


class WorkloadEventRecorder:
    """The Events of one leader's term; in the first cycle only faults, since its findings are no changes."""

    def __init__(self, sink: WorkloadEventSink | None) -> None:
        self._sink = sink
        self._limit = SlidingWindowLimit(MAX_EVENTS_PER_MINUTE, seconds=60)
        self._is_first_cycle = True

    async def record(self, events: list[WorkloadEvent], now: datetime) -> list[WorkloadEvent]:
        """Emit the Events of one cycle; returns those that were dropped by the rate limit."""
        is_first_cycle, self._is_first_cycle = self._is_first_cycle, False
        if self._sink is None:
            return []
        due = [event for event in events if event.reason.is_fault] if is_first_cycle else events
        allowed = [event for event in due if self._limit.take(now.timestamp())]
        await asyncio.gather(*map(self._sink.record, allowed))
        return due[len(allowed) :]

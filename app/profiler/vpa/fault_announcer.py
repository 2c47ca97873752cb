"""Events on workloads and namespaces with faults of one kind, in one leader's term."""

from collections.abc import Mapping
from datetime import datetime

from app.domain.workloads import Workload
from app.profiler.event_recorder import WorkloadEventRecorder
from app.profiler.fault_events import AnnouncedFaults, fault_events
from app.profiler.ports import WorkloadEventSink
from app.profiler.workload_event import EventReason


class FaultAnnouncer:
    """Emits one Event for each text of an object; those beyond the rate come later."""

    def __init__(self, sink: WorkloadEventSink, reason: EventReason) -> None:
        self._reason = reason
        self._recorder, self._announced = WorkloadEventRecorder(sink), AnnouncedFaults()

    async def announce(
        self, faults: Mapping[Workload, str], uids: Mapping[Workload, str], now: datetime
    ) -> None:
        """Emit Events for those of all *faults* that are new; *uids* are those of the existing workloads."""
        events = fault_events(self._announced.take_new(faults), uids, self._reason)
        dropped = await self._recorder.record(events, now)
        self._announced.forget(event.workload for event in dropped)

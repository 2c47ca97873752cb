"""Events on workloads and namespaces with faults of one kind, in one leader's term."""

from collections.abc import Mapping
from datetime import datetime

from app.domain.workloads import Workload
from app.profiler.event_recorder import WorkloadEventRecorder
from app.profiler.fault_events import fault_events
from app.profiler.ports import WorkloadEventSink
from app.profiler.workload_event import EventReason


class FaultAnnouncer:
    """Emits one Event for each text of an object, and again for one that had gone.

    Faults beyond the rate come later, and so do those of workloads without an object.
    """

    def __init__(self, sink: WorkloadEventSink | None, reason: EventReason) -> None:
        self._recorder, self._reason = WorkloadEventRecorder(sink), reason
        self._announced: dict[Workload, str] = {}

    async def announce(
        self, faults: Mapping[Workload, str], uids: Mapping[Workload, str], now: datetime
    ) -> int:
        """Emit Events for those of all *faults* that are new; returns the number of those beyond the rate.

        *uids* are those of the existing workloads.
        """
        new = {subject: text for subject, text in faults.items() if self._announced.get(subject) != text}
        events = fault_events(new, uids, self._reason)
        dropped = await self._recorder.record(events, now)
        emitted = {event.workload for event in events} - {event.workload for event in dropped}
        self._announced = {
            subject: text for subject, text in faults.items() if subject not in new or subject in emitted
        }
        return len(dropped)

"""Says how the sources stand: a log line and an Event per change of state, the report when it differs."""

from collections.abc import Awaitable, Collection
from datetime import datetime, timedelta
from typing import Any

import structlog

from app.domain.profiles import Identity
from app.errors import ClusterError
from app.profiler.cycle.collector import CollectedSamples
from app.profiler.cycle.signals import SignalBoard
from app.profiler.cycle.status_report import build_report
from app.profiler.ports import ReportSink

_REMEMBERED = timedelta(days=1)
log = structlog.get_logger(__name__)


class Reporter:
    """Remembers what was said, in one term of a leader."""

    def __init__(self, sink: ReportSink) -> None:
        self._sink = sink
        self._board = SignalBoard()
        self._unattributed: dict[str, datetime] = {}  # namespaces, and when that was last so
        self._told: dict[str, Any] | None = None

    async def tell(
        self, gathered: CollectedSamples, reasons: dict[str, str], stored: Collection[Identity], now: datetime
    ) -> None:
        """Tell what one cycle found."""
        for state in self._board.update(gathered.states, now):
            say = log.warning if state.health.is_fault else log.info
            say("signal_changed", signal=state.signal.value, state=state.health.value, message=state.message)
            text = f"{state.signal}: {state.message or 'answers again'}"
            await _told(self._sink.announce(state.reason, text, warning=state.health.is_fault))
        self._unattributed |= dict.fromkeys(gathered.unattributed_namespaces, now)
        self._unattributed = {
            name: seen for name, seen in self._unattributed.items() if now - seen < _REMEMBERED
        }
        report = build_report(
            self._board.as_report(),
            reasons,
            profiles=stored,
            unattributed_namespaces=self._unattributed,
            past_pods_by=gathered.past_pods_by,
        )
        if report != self._told and await _told(self._sink.tell(report)):
            self._told = report


async def _told(telling: Awaitable[None]) -> bool:
    """True where the telling went through; a report that can't be written must not stop the profiles."""
    try:
        await telling
    except ClusterError as error:
        log.warning("report_not_written", error=str(error))
        return False
    return True

"""Reports the state of the signals: a log line and an Event per change, and the status report."""

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from app.errors import ClusterError
from app.outage_log import OutageLog
from app.profiler.cycle.collected_samples import CollectedSamples
from app.profiler.cycle.findings import Findings
from app.profiler.cycle.publisher import PublishResult
from app.profiler.cycle.signals import SignalStates
from app.profiler.cycle.status_report import build_report
from app.profiler.ports import ReportSink

_REMEMBERED = timedelta(days=1)
# The sink compares an unchanged report with the stored one after this time, which may have been deleted.
_CHECK_PERIOD = timedelta(hours=1)
log = structlog.get_logger(__name__)


class Reporter:
    """Remembers the last report and the last states, for one leader's term."""

    def __init__(self, sink: ReportSink) -> None:
        self._sink = sink
        self._states = SignalStates()
        self._unattributed: dict[str, datetime] = {}  # when each namespace last had unattributed Pods
        self._faults: dict[str, str] = {}
        self._findings = Findings()
        self._last_report: dict[str, Any] | None = None
        self._last_faults: dict[str, str] | None = None  # written instead of a report
        self._written_at = datetime.min.replace(tzinfo=UTC)
        self._outage = OutageLog(log, "report_not_written")

    async def report(
        self,
        collected: CollectedSamples,
        reasons: dict[str, str],
        faults: Mapping[str, str],
        published: PublishResult,
        now: datetime,
    ) -> None:
        """Report the outcome of one cycle."""
        for state in self._states.update(collected.states, now):
            write_log = log.warning if state.health.is_fault else log.info
            write_log(
                "signal_changed", signal=state.signal.value, state=state.health.value, message=state.message
            )
            text = f"{state.signal}: {state.message or 'recovered'}"
            await self._sink.record_event(state.reason, text, warning=state.health.is_fault)
        self._unattributed |= dict.fromkeys(collected.unattributed_namespaces, now)
        self._unattributed = {
            name: seen for name, seen in self._unattributed.items() if now - seen < _REMEMBERED
        }
        report = build_report(
            self._states.as_report(),
            reasons,
            faults=self._unchanged(faults),
            profiles=published.stored_identities,
            known_kinds=published.known_kinds,
            unattributed_namespaces=self._unattributed,
            past_owner_source=collected.past_owner_source,
        )
        self._findings.update(collected, now)
        report |= self._findings.as_report(published)
        self._last_faults = None
        if report == self._last_report and now - self._written_at < _CHECK_PERIOD:
            return
        is_written = await self._succeeds(self._sink.write(report))
        self._last_report, self._written_at = report if is_written else None, now

    def faults(self) -> dict[str, str]:
        """The reason why the report is not written, if it is not."""
        return self._outage.faults("status report")

    async def report_failure(self, faults: Mapping[str, str]) -> None:
        """Report the *faults* because of which cycles fail, once while they are the same."""
        self._last_report = None  # the next cycle that succeeds replaces the report
        faults = self._unchanged(faults)
        if faults == self._last_faults:
            return
        if await self._succeeds(self._sink.write_faults(faults)):
            self._last_faults = dict(faults)

    async def _succeeds(self, write: Awaitable[None]) -> bool:
        """True if the write succeeded; a report that can't be written must not stop the profiles."""
        try:
            await write
        except ClusterError as error:
            self._outage.failed(error)
            return False
        self._outage.succeeded()
        return True

    def _unchanged(self, faults: Mapping[str, str]) -> dict[str, str]:
        """The *faults*, each with its first reason: one that persists with another text is no change."""
        for subject in faults.keys() - self._faults.keys():
            log.warning("fault", subject=subject, reason=faults[subject])
        for subject in self._faults.keys() - faults.keys():
            log.info("fault_ended", subject=subject)
        self._faults = {subject: self._faults.get(subject, reason) for subject, reason in faults.items()}
        return self._faults

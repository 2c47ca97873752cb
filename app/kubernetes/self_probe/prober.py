"""The leader's self-probe loop: publishes each change of the result as status, log line, Event and metric."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, NoReturn

import structlog
from prometheus_client import CollectorRegistry, Histogram

from app.domain.quantities import format_time
from app.errors import ClusterError
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder, InvolvedObject
from app.kubernetes.self_probe.probe import Probe, ProbePolicy, ProbeReport
from app.kubernetes.status_map import NAME, PROBE, StatusMap
from app.outage_log import contact_log

log = structlog.get_logger(__name__)
_RESTART_SECONDS = 60.0
_REMEMBERED_SECONDS = 600.0  # API servers keep a connection, so that not each probe reaches another replica
_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Prober:
    """`has_succeeded` is the result of this term's last probe; None before it, and while not the leader."""

    def __init__(
        self,
        client: ClusterClient,
        policy: ProbePolicy,
        events: EventRecorder,
        registry: CollectorRegistry,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._probe = Probe(client, policy)
        self._status = StatusMap(client, policy.namespace, PROBE)
        self._policy = policy
        self._events, self._clock = events, clock
        self._involved = InvolvedObject("v1", "ConfigMap", policy.namespace, NAME)
        self._probe_contact = contact_log(log, "the self-probe")
        self._report_contact = contact_log(log, "the report of the self-probe")
        self._duration = Histogram(
            "job_profiler_probe_duration_seconds",
            "API server's response time to the self-probe, including the webhook",
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self.has_succeeded: bool | None = None
        self._last_published: dict[str, Any] | None = None
        self._replicas: dict[str, tuple[Mapping[str, str], float]] = {}  # when each answered last

    def faults(self) -> dict[str, str]:
        """The reason why the probe itself, or the report of its result, fails."""
        reported = self._report_contact.faults("report of the self-probe")
        return self._probe_contact.faults("self-probe") | reported

    async def run(self) -> NoReturn:
        """Probe during one term, until cancelled."""
        started_at, self._last_published = monotonic(), None
        try:
            while True:
                pause = await self._probe_once(monotonic() - started_at)
                await asyncio.sleep(min(pause, self._policy.period_seconds))
        finally:
            self.has_succeeded = None

    async def _probe_once(self, term_seconds: float) -> float:
        """Probe, and publish the result; returns the seconds until the next probe."""
        if not self._policy.is_enabled:
            await self._publish({"state": "Off", "reasons": [], "message": ""})
            return self._policy.period_seconds
        try:
            report = await self._probe.run_once()
        except ClusterError as error:  # outage of the API server: the state of the webhook is unknown
            self._probe_contact.failed(error)
            return self._policy.retry_seconds
        self._probe_contact.succeeded()
        if report.seconds is not None:
            self._duration.observe(report.seconds)
        if report.faults and self.has_succeeded is None and term_seconds < await self._grace_seconds():
            return self._policy.retry_seconds
        self.has_succeeded = not report.faults
        faults = self._faults_of_replicas(report)
        await self._publish(_document(report) | ({"faults": faults} if faults else {}))
        return self._policy.period_seconds

    async def _grace_seconds(self) -> float:
        """The time in which a new leader reports no failures: the webhook may be starting too."""
        with suppress(ClusterError):
            if await self._read_last_published():
                return min(self._policy.period_seconds, _RESTART_SECONDS)
        return self._policy.installation_seconds

    async def _read_last_published(self) -> dict[str, Any]:
        """The last published document, by this leader or the previous one; empty if there is none."""
        if self._last_published is None:
            self._last_published = await self._status.read() or {}
        return self._last_published

    async def _publish(self, document: dict[str, Any]) -> None:
        """Store and announce *document* if its state, reasons or faults changed; texts are not compared."""
        try:
            previous = await self._read_last_published()
            has_changed = any(previous.get(key) != document[key] for key in ("state", "reasons"))
            if has_changed or _subjects(previous) != _subjects(document):
                since = format_time(self._clock()) if has_changed else previous.get("since", "")
                published = document | {"since": since}
                await self._status.write(published)
                self._last_published = published
            if has_changed:
                await self._announce(previous, document)
        except ClusterError as error:
            self._report_contact.failed(error)
        else:
            self._report_contact.succeeded()

    def _faults_of_replicas(self, report: ProbeReport) -> dict[str, str]:
        """The faults that replicas of the webhook stated lately, by the subject and the replica's name."""
        moment = monotonic()
        if report.replica:
            self._replicas[report.replica.replica] = report.replica.faults, moment
        self._replicas = {
            name: (faults, seen)
            for name, (faults, seen) in self._replicas.items()
            if moment - seen < _REMEMBERED_SECONDS
        }
        return {
            f"{subject} ({name})": reason
            for name, (faults, _) in sorted(self._replicas.items())
            for subject, reason in faults.items()
        }

    async def _announce(self, previous: Mapping[str, Any], current: Mapping[str, Any]) -> None:
        """Write a log line and an Event."""
        record = partial(self._events.record, self._involved, now=self._clock())
        if current["state"] == "Failing":
            log.warning("probe_failed", reasons=current["reasons"], message=current["message"])
            await record("ProbeFailed", current["message"], kind="Warning")
        elif (previous.get("state"), current["state"]) == ("Failing", "Ok"):
            log.info("probe_succeeded")
            await record("ProbeSucceeded", "the webhook answers again")


def _document(report: ProbeReport) -> dict[str, Any]:
    """The report as published; it leaves out the response time, which differs in each probe."""
    return {
        "state": "Failing" if report.faults else "Ok",
        "reasons": [fault.reason for fault in report.faults],
        "message": "; ".join(fault.message for fault in report.faults),
    }


def _subjects(document: Mapping[str, Any]) -> set[str]:
    """The subjects of the faults in a published document, which people can edit."""
    faults = document.get("faults")
    return set(faults) if isinstance(faults, Mapping) else set()

"""The leader's self-probe: repeated for ever, and told where it changed, to people, logs and alerts."""

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
from app.kubernetes.self_probe.probe import Probe, ProbeReport, ProbeTerms
from app.kubernetes.status_map import NAME, PROBE, StatusMap
from app.outage_log import contact_log

log = structlog.get_logger(__name__)
_RESTART_SECONDS = 60.0
_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Prober:
    """`has_succeeded` is what the last probe of this term said; None before it, and while another leads."""

    def __init__(
        self,
        client: ClusterClient,
        terms: ProbeTerms,
        events: EventRecorder,
        registry: CollectorRegistry,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._probe = Probe(client, terms)
        self._stored = StatusMap(client, terms.namespace, PROBE)
        self._terms = terms
        self._events, self._clock = events, clock
        self._involved = InvolvedObject("v1", "ConfigMap", terms.namespace, NAME)
        self._asking = contact_log(log, "the self-probe")
        self._telling = contact_log(log, "the report of the self-probe")
        self._duration = Histogram(
            "job_profiler_probe_duration_seconds",
            "Time in which the API server answered the self-probe, the webhook's part included",
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self.has_succeeded: bool | None = None
        self._told: dict[str, Any] | None = None

    async def run(self) -> NoReturn:
        """One term of a leader, until cancelled."""
        began, self._told = monotonic(), None
        try:
            while True:
                pause = await self._turn(monotonic() - began)
                await asyncio.sleep(min(pause, self._terms.period_seconds))
        finally:
            self.has_succeeded = None

    async def _turn(self, age_seconds: float) -> float:
        """Do what is due; the seconds until the next turn."""
        if not self._terms.is_enabled:
            await self._tell({"state": "Off", "reasons": [], "message": ""})
            return self._terms.period_seconds
        try:
            report = await self._probe.run_once()
        except ClusterError as error:  # of the API server itself: nothing is known of the webhook
            self._asking.failed(error)
            return self._terms.retry_seconds
        self._asking.succeeded()
        if report.seconds is not None:
            self._duration.observe(report.seconds)
        if report.faults and self.has_succeeded is None and age_seconds < await self._patience_seconds():
            return self._terms.retry_seconds
        self.has_succeeded = not report.faults
        await self._tell(_document(report))
        return self._terms.period_seconds

    async def _patience_seconds(self) -> float:
        """For how long failures are no news to a new leader: a webhook that starts beside it is not ready."""
        with suppress(ClusterError):
            if await self._known():
                return min(self._terms.period_seconds, _RESTART_SECONDS)
        return self._terms.installation_seconds

    async def _known(self) -> dict[str, Any]:
        """What was told last, by this leader or by the one before; empty where nothing was told yet."""
        if self._told is None:
            self._told = await self._stored.read() or {}
        return self._told

    async def _tell(self, document: dict[str, Any]) -> None:
        """Keep and announce *document* where it says something else than the one before."""
        try:
            before = await self._known()
            if any(before.get(key) != document[key] for key in ("state", "reasons")):
                await self._stored.write(document | {"since": format_time(self._clock())})
                self._told = document
                await self._announce(before, document)
        except ClusterError as error:
            self._telling.failed(error)
        else:
            self._telling.succeeded()

    async def _announce(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        record = partial(self._events.record, self._involved, now=self._clock())
        if now["state"] == "Failing":
            log.warning("probe_failed", reasons=now["reasons"], message=now["message"])
            await record("ProbeFailed", now["message"], kind="Warning")
        elif (before.get("state"), now["state"]) == ("Failing", "Ok"):
            log.info("probe_succeeded")
            await record("ProbeSucceeded", "the webhook answers again")


def _document(report: ProbeReport) -> dict[str, Any]:
    """The report without what differs from one probe to the next: causes are compared, texts are not."""
    return {
        "state": "Failing" if report.faults else "Ok",
        "reasons": [fault.reason for fault in report.faults],
        "message": "; ".join(fault.message for fault in report.faults),
    }

"""The leader's loop: one cycle per period."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import NoReturn

import structlog

from app.errors import ClusterError, UnavailableError
from app.outage_log import OutageLog
from app.periodic import next_run
from app.profiler.cycle.cycle import CyclePolicy, ProfilingCycle
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.registries.namespaces import NamespaceScope

log = structlog.get_logger(__name__)
_REPORTED_AFTER_SECONDS = 60.0  # of failing cycles: a new leader's watches are still being listed before


@dataclass(frozen=True, slots=True)
class CycleSchedule:
    """When cycles run; *clock* returns the wall-clock time."""

    period_seconds: float
    retry_seconds: float = 2.0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CyclePlan:
    """The policy and the schedule of cycles."""

    policy: CyclePolicy
    schedule: CycleSchedule


async def run_cycles(
    cycle: ProfilingCycle, namespaces: NamespaceScope, schedule: CycleSchedule, metrics: CycleMetrics
) -> NoReturn:
    """Run one cycle per period until cancelled; cycles due while another one runs are skipped."""
    due, outage, failing_since = monotonic(), OutageLog(log, "cycle_failed"), math.inf
    while True:
        try:
            await namespaces.until_settled()
            if added := namespaces.take_added():
                log.info("namespaces_came_into_scope", namespaces=sorted(added))
                cycle.forget_history(added)
            report = await cycle.run_once(schedule.clock())
        except ClusterError as error:
            pause = error.retry_after_seconds if isinstance(error, UnavailableError) else None
            outage.failed(error)
            metrics.count_failed(error)
            failing_since = min(failing_since, monotonic())
            if monotonic() - failing_since >= _REPORTED_AFTER_SECONDS:
                await cycle.report_failure(error)
            due = monotonic() + min(pause or schedule.retry_seconds, schedule.period_seconds)
        else:
            outage.succeeded()
            failing_since = math.inf
            metrics.count_finished(report, schedule.clock())
            log.info(
                "cycle_finished",
                samples=report.samples,
                profiles=report.stored,
                written=report.written,
                seconds=round(report.seconds, 3),
            )
            due, skipped = next_run(due, schedule.period_seconds, monotonic())
            metrics.count_skipped(skipped)
            del report  # its identities would stay in memory for the whole next cycle
        await asyncio.sleep(max(due - monotonic(), 0))

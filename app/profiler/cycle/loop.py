"""The leader's loop: one cycle per period."""

import asyncio
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
    due, outage = monotonic(), OutageLog(log, "cycle_failed")
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
            due = monotonic() + min(pause or schedule.retry_seconds, schedule.period_seconds)
        else:
            outage.succeeded()
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
        await asyncio.sleep(max(due - monotonic(), 0))

"""Metrics of back-fill: `job_profiler_backfill*` and `job_profiler_missed_total`."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.profiler.backfill.plan import PodRepair


class BackfillMetrics:
    """What back-fill found and did; those of a follower stand still."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._missed = Counter(
            "job_profiler_missed_total",
            "Back-filled Pods that were created without annotations, although a profile was there before",
            registry=registry,
        )
        self._backfilled = Counter(
            "job_profiler_backfilled_total", "Pods whose annotations were set right", registry=registry
        )
        self._pending = Gauge(
            "job_profiler_backfill_pending",
            "Pods whose annotations are still to be set right",
            registry=registry,
        )

    def done(self, mend: PodRepair) -> None:
        """Count one Pod."""
        self._backfilled.inc()
        self._missed.inc(int(mend.was_missed))

    def pending(self, pods: int) -> None:
        """Note how many Pods wait."""
        self._pending.set(pods)

"""Metrics of back-fill: `job_profiler_backfill*` and `job_profiler_missed_total`."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.profiler.backfill.plan import PodRepair


class BackfillMetrics:
    """Counters and a gauge of one replica; constant while it is a follower."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._missed = Counter(
            "job_profiler_missed_total",
            "Back-filled Pods that were created without annotations although a profile existed",
            registry=registry,
        )
        self._backfilled = Counter(
            "job_profiler_backfilled_total", "Running Pods with repaired annotations", registry=registry
        )
        self._pending = Gauge(
            "job_profiler_backfill_pending",
            "Pods with annotations that are still to be repaired",
            registry=registry,
        )

    def count(self, repair: PodRepair) -> None:
        """Count one repaired Pod."""
        self._backfilled.inc()
        self._missed.inc(int(repair.was_missed))

    def set_pending(self, pods: int) -> None:
        """Set the number of Pods that are still to be repaired."""
        self._pending.set(pods)

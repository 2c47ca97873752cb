"""Counters and the latency histogram of admissions, bound once so that a review costs two increments."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.webhook.decisions import Decision, SkipReason

_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_FAULTS = {SkipReason.UNREADABLE_POD, SkipReason.INTERNAL_ERROR}


class AdmissionMetrics:
    """`job_profiler_admission_*`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        requests = Counter(
            "job_profiler_admission_requests_total",
            "Admission reviews by result (mutated, skipped, error) and the reason of a skip or a fault",
            ["result", "reason"],
            registry=registry,
        )
        self._mutated = {reason: requests.labels("mutated", reason or "") for reason in (None, *SkipReason)}
        self._skipped = {
            reason: requests.labels("error" if reason in _FAULTS else "skipped", reason)
            for reason in SkipReason
        }
        self._refused = requests.labels("error", "not_a_review")
        self._duration = Histogram(
            "job_profiler_admission_duration_seconds",
            "Time from the first byte of a review to its answer",
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )

    def count(self, decision: Decision) -> None:
        """Count one review that was answered."""
        reason = decision.reason
        if decision.patch or reason is None:
            self._mutated[reason].inc()
        else:
            self._skipped[reason].inc()

    def refused(self) -> None:
        """Count one body that is no review."""
        self._refused.inc()

    def observe(self, seconds: float) -> None:
        """Note how long an answer took."""
        self._duration.observe(seconds)

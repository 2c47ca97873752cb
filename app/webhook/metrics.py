"""Counters and the latency histogram of admissions, bound once so that a review costs two increments."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.webhook.decisions import Decision, SkipReason
from app.webhook.sizing import Outcome

_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_FAULTS = {SkipReason.UNREADABLE_POD, SkipReason.INTERNAL_ERROR}


class AdmissionMetrics:
    """`job_profiler_admission_*` and `job_profiler_pods_*resized_total`."""

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
        resized = Counter(
            "job_profiler_pods_resized_total",
            "Pods whose requests or limits were set from profiles at their creation",
            registry=registry,
        )
        not_resized = Counter(
            "job_profiler_pods_not_resized_total",
            "Pods that asked for requests from profiles and kept what they had, by the reason",
            ["reason"],
            registry=registry,
        )
        self._resizing = {
            outcome: resized if outcome is Outcome.RESIZED else not_resized.labels(outcome)
            for outcome in Outcome
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
        if decision.resizing is not None:
            self._resizing[decision.resizing].inc()

    def refused(self) -> None:
        """Count one body that is no review."""
        self._refused.inc()

    def observe(self, seconds: float) -> None:
        """Note how long an answer took."""
        self._duration.observe(seconds)

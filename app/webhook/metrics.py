"""Counts and durations of admissions: plain numbers during reviews, metrics during scrapes."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.webhook.outcomes import Decision, SkipReason
from app.webhook.sizing import SizingOutcome

_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_FAULTS = {SkipReason.UNREADABLE_POD, SkipReason.INTERNAL_ERROR}
_MUTATED, _SKIPPED, _ERROR = "mutated", "skipped", "error"
_MUTATED_IN_FULL, _NOT_A_REVIEW = (_MUTATED, ""), (_ERROR, "not_a_review")
_OVERLOADED = (_ERROR, "overloaded")


class AdmissionMetrics(Collector):
    """`job_profiler_admission_*` and the outcomes of resizing; every label value exists from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = 0
        self._reviews: dict[tuple[str, str], int] = dict.fromkeys([*_labels(), _NOT_A_REVIEW, _OVERLOADED], 0)
        self._resizing = dict.fromkeys(SizingOutcome, 0)
        self._bucket_counts = [0] * (len(_BUCKETS_SECONDS) + 1)
        self._total_seconds = 0.0
        registry.register(self)

    def count(self, decision: Decision) -> None:
        """Count one answered review."""
        reason = decision.reason
        self._reviews[_MUTATED_IN_FULL if reason is None else _label(decision, reason)] += 1
        if decision.resizing is not None:
            self._resizing[decision.resizing] += 1

    def count_refusal(self, status: int) -> None:
        """Count one body that is not a review, or is not answered because of too many others."""
        self._reviews[_OVERLOADED if status in {429, 503} else _NOT_A_REVIEW] += 1

    def observe(self, seconds: float) -> None:
        """Record the duration of an answer."""
        self._bucket_counts[bisect_left(_BUCKETS_SECONDS, seconds)] += 1
        self._total_seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """The current values as metrics."""
        yield self._requests()
        yield GaugeMetricFamily(
            "job_profiler_admission_in_flight", "Reviews being answered", value=self.in_flight
        )
        yield self._duration()
        yield from self._resizings()

    def _requests(self) -> Metric:
        requests = CounterMetricFamily(
            "job_profiler_admission_requests",
            "Admission reviews by result (mutated, skipped, error) and the reason for a skip or fault",
            labels=["result", "reason"],
        )
        for labels, count in self._reviews.items():
            requests.add_metric(labels, count)
        return requests

    def _duration(self) -> Metric:
        bounds = [*map(str, _BUCKETS_SECONDS), "+Inf"]
        return HistogramMetricFamily(
            "job_profiler_admission_duration_seconds",
            "Time from the first byte of a review to its answer",
            buckets=[*zip(bounds, accumulate(self._bucket_counts), strict=True)],
            sum_value=self._total_seconds,
        )

    def _resizings(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "job_profiler_pods_resized",
            "Pods with requests or limits set from profiles at their creation",
            value=self._resizing[SizingOutcome.RESIZED],
        )
        not_resized = CounterMetricFamily(
            "job_profiler_pods_not_resized",
            "Pods with requests from profiles enabled that stayed unchanged, by reason",
            labels=["reason"],
        )
        for outcome, count in self._resizing.items():
            if outcome is not SizingOutcome.RESIZED:
                not_resized.add_metric([outcome], count)
        yield not_resized


def _labels() -> Iterator[tuple[str, str]]:
    """Every combination of result and reason."""
    for reason in (None, *SkipReason):
        yield _MUTATED, reason or ""
    for reason in SkipReason:
        yield _ERROR if reason in _FAULTS else _SKIPPED, reason


def _label(decision: Decision, reason: SkipReason) -> tuple[str, str]:
    """The labels of a *decision* with the *reason*."""
    if decision.patch:
        return _MUTATED, reason
    return (_ERROR if reason in _FAULTS else _SKIPPED), reason

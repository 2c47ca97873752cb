"""What the questions to Prometheus cost, by signal: `job_profiler_prometheus_*`."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS_SAMPLES = (1e3, 1e4, 1e5, 3e5, 1e6, 3e6, 1e7, 2e7, 5e7, 1e8)
_BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0)


class QueryMetrics:
    """What the questions to Prometheus cost, by signal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(f"job_profiler_prometheus_{name}", text, ["signal", *more], registry=registry)

        self._queries = counter(
            "queries_total", "Queries by result (answered, failed); tries of one count once", "result"
        )
        self._seconds = Histogram(
            "job_profiler_prometheus_query_duration_seconds",
            "Time until a whole answer was read",
            ["signal"],
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self._samples = Histogram(
            "job_profiler_prometheus_query_samples",
            "Samples that the server loaded for a query, or gave where it does not tell",
            ["signal"],
            registry=registry,
            buckets=_BUCKETS_SAMPLES,
        )
        self._bytes = counter("received_bytes_total", "Bytes of answers, unpacked")
        self._retries = counter("retries_total", "Tries beyond the first")
        self._splits = counter("splits_total", "Questions that were too large and were asked in halves")

    def answered(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """Note an answer."""
        self._queries.labels(signal, "answered").inc()
        self._seconds.labels(signal).observe(seconds)
        self._samples.labels(signal).observe(samples)
        self._bytes.labels(signal).inc(received_bytes)

    def failed(self, signal: str) -> None:
        """Note a query without an answer."""
        self._queries.labels(signal, "failed").inc()

    def retried(self, signal: str) -> None:
        """Note one more try."""
        self._retries.labels(signal).inc()

    def split(self, signal: str) -> None:
        """Note what was too large."""
        self._splits.labels(signal).inc()

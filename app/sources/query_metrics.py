"""Metrics on the costs of queries, by signal: `job_profiler_prometheus_*`."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS_SAMPLES = (1e3, 1e4, 1e5, 3e5, 1e6, 3e6, 1e7, 2e7, 5e7, 1e8)
_BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0)


class QueryMetrics:
    """Counts and distributions of queries, by signal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(
                f"job_profiler_prometheus_{name}", help_text, ["signal", *labels], registry=registry
            )

        self._queries = counter(
            "queries_total", "Queries by result (answered, failed); retries are not counted", "result"
        )
        self._seconds = Histogram(
            "job_profiler_prometheus_query_duration_seconds",
            "Time until the complete response was read",
            ["signal"],
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self._samples = Histogram(
            "job_profiler_prometheus_query_samples",
            "Samples that the server loaded for a query; those of the response if it reports no number",
            ["signal"],
            registry=registry,
            buckets=_BUCKETS_SAMPLES,
        )
        self._bytes = counter("received_bytes_total", "Bytes of responses, decompressed")
        self._retries = counter("retries_total", "Retries of queries")
        self._splits = counter("splits_total", "Queries that were too large and were split in halves")

    def record_result(self, signal: str, *, seconds: float, received_bytes: int, samples: int) -> None:
        """Count a query with a result."""
        self._queries.labels(signal, "answered").inc()
        self._seconds.labels(signal).observe(seconds)
        self._samples.labels(signal).observe(samples)
        self._bytes.labels(signal).inc(received_bytes)

    def record_failure(self, signal: str) -> None:
        """Count a query without a result."""
        self._queries.labels(signal, "failed").inc()

    def record_retry(self, signal: str) -> None:
        """Count a retry."""
        self._retries.labels(signal).inc()

    def record_split(self, signal: str) -> None:
        """Count a query that was too large."""
        self._splits.labels(signal).inc()

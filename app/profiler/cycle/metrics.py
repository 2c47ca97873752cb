"""Metrics of the cycles: `job_profiler_*`."""

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.history.samples import EdgeFault
from app.profiler.cycle.cycle import CycleReport
from app.profiler.cycle.signals import Health, Signal

_MAX_NAMESPACES = 100  # with a sample of their own, per signal
_MAX_CLUSTERS = 20
_BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0)


class CycleMetrics:
    """Counters and gauges of one replica; constant while it is a follower."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._leader = Gauge("job_profiler_leader", "1 while this replica is the leader", registry=registry)
        self._cycles = Counter(
            "job_profiler_cycles_total", "Cycles by result (finished, failed)", ["result"], registry=registry
        )
        self._skipped = Counter(
            "job_profiler_cycles_skipped_total",
            "Cycles skipped because the previous one took longer than its period",
            registry=registry,
        )
        self._seconds = Histogram(
            "job_profiler_cycle_duration_seconds",
            "Duration of a whole cycle",
            registry=registry,
            buckets=_BUCKETS_SECONDS,
        )
        self._samples = Counter(
            "job_profiler_samples_folded_total", "New samples folded into the history", registry=registry
        )
        self._unknown_edges = Gauge(
            "job_profiler_edges_of_unknown_ends",
            "Edges that the last cycle dropped: the workload of one endpoint is unknown",
            registry=registry,
        )
        self._dropped_edges = Gauge(
            "job_profiler_edges_dropped",
            "Edges that the last cycle dropped, by reason",
            ["reason"],
            registry=registry,
        )
        self._forgotten = Counter(
            "job_profiler_workloads_forgotten_total",
            "Workloads whose usage was dropped because of MAX_HISTORY_SIZE",
            registry=registry,
        )
        self._writes = Counter(
            "job_profiler_profile_writes_total", "Writes of profiles", ["result"], registry=registry
        )
        self._checkpoints = Counter(
            "job_profiler_checkpoint_writes_total",
            "Check-point shards written",
            registry=registry,
        )
        self._profiles = Gauge(
            "job_profiler_profiles", "Profiles stored after the last cycle", registry=registry
        )
        self._left_out = Gauge(
            "job_profiler_profiles_left_out", "Profiles not stored because of MAX_PROFILES", registry=registry
        )
        self._evicted = Counter(
            "job_profiler_profiles_evicted_total",
            "Stored profiles removed because of MAX_PROFILES, for namespaces within their share",
            registry=registry,
        )
        self._postponed = Gauge(
            "job_profiler_profile_writes_postponed",
            "Writes of connections that the last cycle left to the next one",
            registry=registry,
        )
        self._refused = Gauge(
            "job_profiler_profiles_refused",
            "Profiles with a last write that the API server refused; tried again less often",
            registry=registry,
        )
        self._events_dropped = Counter(
            "job_profiler_events_dropped_total",
            "Events on workloads dropped by the rate limit",
            registry=registry,
        )
        self._success = Gauge(
            "job_profiler_last_success_timestamp_seconds", "End of the last cycle", registry=registry
        )
        self._newest = Gauge(
            "job_profiler_newest_sample_timestamp_seconds",
            "End of the newest step with a query result",
            ["signal"],
            registry=registry,
        )
        self._lag = Gauge(
            "job_profiler_sample_lag_seconds",
            "Age at which a step has samples of all writers, in the last hours, in steps of 300 s",
            ["signal"],
            registry=registry,
        )
        self._clusters = Gauge(
            "job_profiler_recognized_cluster",
            "1 for the label of this cluster's series, where a Prometheus has those of several",
            ["cluster"],
            registry=registry,
        )
        self._signal = Gauge(
            "job_profiler_signal_healthy",
            "1 while the queries of a signal succeed without a fault",
            ["signal"],
            registry=registry,
        )

        self._failing_namespace = Gauge(
            "job_profiler_namespace_failing",
            "1 for each namespace whose query on the signal failed in the last cycle, for the first 100",
            ["signal", "namespace"],
            registry=registry,
        )
        self._failing_namespaces = Gauge(
            "job_profiler_namespaces_failing",
            "Namespaces whose query on the signal failed in the last cycle",
            ["signal"],
            registry=registry,
        )
        self.faults: Mapping[str, str] = {}

    def set_leader(self, *, is_leader: bool) -> None:
        """Set whether this replica is the leader."""
        self._leader.set(int(is_leader))

    def count_failed(self, error: Exception) -> None:
        """Count a cycle that could not read the cluster because of *error*."""
        self._cycles.labels("failed").inc()
        self.faults = {"cycle": f"the last cycle failed: {error}"}

    def count_skipped(self, cycles: int) -> None:
        """Count skipped cycles."""
        self._skipped.inc(cycles)

    def count_finished(self, report: CycleReport, now: datetime) -> None:
        """Count a finished cycle and set the gauges from its report."""
        self._cycles.labels("finished").inc()
        self._seconds.observe(report.seconds)
        self._samples.inc(report.samples)
        dropped: dict[EdgeFault, int] = dict.fromkeys(EdgeFault, 0)
        for (fault, _), edges in report.dropped_edges.items():
            dropped[fault] += edges
        self._unknown_edges.set(dropped[EdgeFault.UNKNOWN_END])
        for fault, edges in dropped.items():
            self._dropped_edges.labels(fault).set(edges)
        self._forgotten.inc(report.forgotten_workloads)
        self._writes.labels("written").inc(report.written)
        self._writes.labels("failed").inc(report.failed_writes)
        self._checkpoints.inc(report.checkpoints_written)
        self._profiles.set(report.stored)
        self._left_out.set(report.left_out)
        self._evicted.inc(report.evicted)
        self._postponed.set(report.postponed_writes)
        self._refused.set(report.refused)
        self._events_dropped.inc(report.events_dropped)
        self._success.set(now.timestamp())
        self._set_failing(report.failed_namespaces)
        self.faults = report.faults
        for signal, newest in report.newest_step_times.items():
            self._newest.labels(signal).set(newest.timestamp())
        for signal, lag_seconds in report.lags_seconds.items():
            self._lag.labels(signal).set(lag_seconds)
        self._clusters.clear()
        for cluster in report.own_clusters[:_MAX_CLUSTERS]:
            self._clusters.labels(cluster).set(1)
        for state in report.states:
            self._signal.labels(state.signal).set(
                int(not state.health.is_fault and state.health is not Health.OFF)
            )

    def _set_failing(self, failed: Mapping[Signal, Mapping[str, str]]) -> None:
        self._failing_namespace.clear()
        for signal, namespaces in failed.items():
            self._failing_namespaces.labels(signal).set(len(namespaces))
            for namespace in sorted(namespaces)[:_MAX_NAMESPACES]:
                self._failing_namespace.labels(signal, namespace).set(1)

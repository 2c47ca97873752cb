"""The state that outlives a leader, and leaders that succeed one another over it."""

from typing import Any

from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.memory_checkpoints import MemoryCheckpoints
from tests.profiler.scenario import DEPLOYMENTS, RecordingSink, Scenario
from tests.profiler.varying_usage import varying_prometheus


class ClusterState:
    """Profiles, check-points, the status report and Prometheus."""

    def __init__(self, prometheus: EmojivotoPrometheus | None = None) -> None:
        self.prometheus = prometheus or varying_prometheus()
        self.profiles, self.checkpoints = InMemoryProfiles("profiling"), MemoryCheckpoints()
        self.sink = RecordingSink()

    def leader(self, **options: Any) -> Scenario:
        """A new leader without learned state."""
        lister = FixedSnapshot(ClusterSnapshot(workloads=DEPLOYMENTS))
        ports = ClusterPorts(lister, self.profiles, self.sink, checkpoints=self.checkpoints)
        return Scenario(self.prometheus, self.profiles, cluster=ports, **options)

"""A profiling cycle on a real Prometheus with a history of Pods, its profiles and check-points in memory."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import CyclePolicy, CycleReport, ProfilingCycle
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import CheckpointStore, ClusterPorts
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.cluster.prometheus import Prometheus
from tests.histories.pods_of_owners import END, HistoricPod, write_pods
from tests.profiler.scenario import RecordingSink

PrometheusFactory = Callable[[Path | None], Prometheus]
_GRACE = timedelta(seconds=61)


class HistoricCluster:
    """The profiles of Pods with a past; each call of `cycle` is a new leader."""

    def __init__(
        self, start: PrometheusFactory, directory: Path, pods: Iterable[HistoricPod], **how: Any
    ) -> None:
        path = directory / "pods.openmetrics"
        write_pods(path, pods, **how)
        self._url = start(path).url
        self.profiles, self.sink = InMemoryProfiles("profiling"), RecordingSink()

    async def cycle(
        self,
        snapshot: ClusterSnapshot | None = None,
        *,
        before_end: timedelta = timedelta(0),
        checkpoints: CheckpointStore | None = None,
        history_days: int = 1,
    ) -> CycleReport:
        """Run one cycle of a new leader, *before_end* of the history."""
        lister = FixedSnapshot(snapshot or ClusterSnapshot())
        ports = ClusterPorts(lister, self.profiles, self.sink, checkpoints=checkpoints)
        policy = CyclePolicy(EstimationPolicy(), history_days, timeslots=4)
        async with PrometheusSource(self._url, scope=Scope(), network_providers=("none",)) as source:
            cycle = ProfilingCycle(source, ports, policy, lambda _: True)
            return await cycle.run_once(END + _GRACE - before_end)

    @property
    def values(self) -> dict[str, str]:
        """The value of each stored profile by its kind and workload."""
        return {
            f"{profile.kind.value} {profile.subject}": profile.value for profile in self.profiles.catalogue
        }

    def status(self, kind: str) -> dict[str, Any]:
        """The status of the only profile of a kind."""
        statuses = [
            manifest["status"] for manifest in self.profiles.manifests.values() if manifest["kind"] == kind
        ]
        (status,) = statuses
        return dict(status)

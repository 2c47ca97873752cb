"""A profiling cycle on real parts: the real Prometheus client on a scripted wire, profiles in memory."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity, Profile, Resource
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.collector import Progress, newest_complete_step
from app.profiler.cycle.cycle import CyclePolicy, CycleReport, ProfilingCycle
from app.profiler.cycle.derivation import StoredValues
from app.profiler.cycle.signals import Health, Signal, SignalState
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.profiler.workload_event import WorkloadEvent
from app.recommendation.policy import EstimationPolicy
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.prometheus_api import RetryPolicy
from app.sources.queries import Scope
from app.sources.query_observer import QueryObserver
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

# A minute after a step has ended: that step is the newest one that is asked for.
NOON = datetime(2026, 3, 4, 12, 1, tzinfo=UTC)
NEWEST_STEP_SECONDS = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())
DEPLOYMENTS = tuple(Workload("emojivoto", name) for name in ("web", "voting", "emoji", "vote-bot"))


def in_scope(namespace: str) -> bool:
    """The namespaces that count."""
    return namespace != "kube-system"


class RecordingSink:
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.reports: list[Mapping[str, Any]] = []
        self.announcements: list[tuple[str, str, bool]] = []

    async def tell(self, report: Mapping[str, Any]) -> None:
        """Keep a report as it goes over the wire."""
        self.reports.append(json.loads(json.dumps(report)))

    async def announce(self, reason: str, message: str, *, warning: bool) -> None:
        """Keep an Event."""
        self.announcements.append((reason, message, warning))

    @property
    def signals(self) -> dict[str, Mapping[str, Any]]:
        """The newest report's signals by name."""
        return {signal["signal"]: signal for signal in self.reports[-1]["signals"]}


class RecordingNews:
    """Keeps the Events on workloads."""

    def __init__(self) -> None:
        self.told: list[WorkloadEvent] = []

    async def record(self, news: WorkloadEvent) -> None:
        """Keep one."""
        self.told.append(news)

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """Workload, reason and message of each."""
        return [(str(each.workload), each.reason.value, each.message) for each in self.told]


class Scenario:
    """One term of a leader; another one over the same `profiles` is what a restart is.

    Another *cluster* stands in for what is in memory.
    """

    def __init__(
        self,
        prometheus: EmojivotoPrometheus,
        profiles: InMemoryProfiles | None = None,
        *,
        directory: ClusterSnapshot | None = None,
        history_days: int = 1,
        network_provider: Any = "auto",
        cluster: ClusterPorts | None = None,
        observer: QueryObserver | None = None,
        limits: Limits | None = None,
        timeslots: int = 4,
    ) -> None:
        self.prometheus, self.sink, self.news = prometheus, RecordingSink(), RecordingNews()
        self.profiles = profiles or InMemoryProfiles("profiling")
        source = PrometheusSource(
            "http://prometheus.test:9090",
            scope=Scope(excluded=("kube-system",)),
            network_provider=network_provider,
            limits=limits or Limits(timeout_seconds=5),
            observer=observer,
            transport=prometheus.transport,
            retry_policy=RetryPolicy(sleep=_no_pause),
        )
        lister = FixedSnapshot(directory or ClusterSnapshot(workloads=DEPLOYMENTS))
        policy = CyclePolicy(EstimationPolicy(), history_days, timeslots)
        cluster = cluster or ClusterPorts(lister, self.profiles, self.sink, self.news)
        self._cycle = ProfilingCycle(source, cluster, policy, in_scope)

    async def cycle(self, minutes: float = 0, progress: Progress = lambda _done, _total: None) -> CycleReport:
        """A cycle so many minutes after noon."""
        return await self._cycle.run_once(NOON + timedelta(minutes=minutes), progress)

    def learned(self, minutes: float = 0) -> dict[Identity, Profile]:
        """Every profile that can be derived from what was learned so far, as if none were stored."""
        return learned_by(self._cycle, NOON + timedelta(minutes=minutes))

    @property
    def stored(self) -> str:
        """Every stored object, byte for byte."""
        return json.dumps(self.profiles.manifests, sort_keys=True, indent=1)

    @property
    def values(self) -> dict[str, str]:
        """The contract's value of each stored object, by its name."""
        return {name: _value(manifest["spec"]) for name, manifest in self.profiles.manifests.items()}


def _value(spec: Mapping[str, Any]) -> str:
    need = spec.get("cpuProfiling") or spec.get("memoryProfiling") or {}
    return str(need.get("value") or spec["bandwidth_requirement"])


def learned_by(cycle: ProfilingCycle, now: datetime) -> dict[Identity, Profile]:
    """Every profile that *cycle* could derive from what it has learned, if none were stored."""
    states = [SignalState(signal, Health.OK, "Answered", "") for signal in (*Resource, Signal.CONNECTIONS)]
    nothing = StoredValues(ProfileCatalogue(), now)
    newest = newest_complete_step(now.timestamp())
    derived = cycle._derivation.derive(states, newest, in_scope, lambda _workload, _container: False, nothing)
    return {profile.identity: profile for profile in derived.profiles}


async def _no_pause(_seconds: float) -> None:
    """Between two tries."""

"""A profiling cycle on real parts: the real Prometheus client on a scripted wire, profiles in memory."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Identity, Profile, ProfileKind, Resource
from app.domain.workloads import Workload
from app.profiler.checkpoints import MAX_BYTES
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.collected_samples import CollectionLimits
from app.profiler.cycle.collector import newest_complete_step
from app.profiler.cycle.cycle import CyclePolicy, CycleReport, ProfilingCycle
from app.profiler.cycle.derivation import DerivedProfiles, StoredValues
from app.profiler.cycle.query_context import Progress
from app.profiler.cycle.signals import Health, Signal, SignalState
from app.profiler.cycle.status_report import report_faults
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from app.profiler.workload_event import WorkloadEvent
from app.recommendation.active_containers import EVERY_CONTAINER
from app.recommendation.policy import EstimationPolicy
from app.rightsizing.policy import SchedulingPolicy
from app.sources.prometheus import Limits, PrometheusSource
from app.sources.queries import Scope
from app.sources.query_observer import QueryObserver
from app.sources.retry_policy import RetryPolicy
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus

# One minute after the end of a step: that step is the newest one that is queried.
NOON = datetime(2026, 3, 4, 12, 1, tzinfo=UTC)
NEWEST_STEP_SECONDS = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp())
DEPLOYMENTS = tuple(Workload("emojivoto", name) for name in ("web", "voting", "emoji", "vote-bot"))

# `EmojivotoPrometheus` has 100 samples per step: a query covers half a day, and a cycle sends one per signal.
HALF_DAY_PER_CYCLE = Limits(sample_budget=144 * 100, queries_per_cycle=1, timeout_seconds=5)


def in_scope(namespace: str) -> bool:
    """True if the namespace is profiled."""
    return namespace != "kube-system"


class RecordingSink:
    """A report sink that records Events, and each report that differs from the one before."""

    def __init__(self) -> None:
        self.reports: list[Mapping[str, Any]] = []
        self.events: list[tuple[str, str, bool]] = []

    async def write(self, report: Mapping[str, Any]) -> None:
        """Record a report as its JSON document."""
        document = json.loads(json.dumps(report))
        if not self.reports or document != self.reports[-1]:
            self.reports.append(document)

    async def write_faults(self, faults: Mapping[str, str]) -> None:
        """Record a report with other faults."""
        self.reports.append({**(self.reports[-1] if self.reports else {}), **report_faults(faults)})

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """Record an Event."""
        self.events.append((reason, message, warning))

    @property
    def signals(self) -> dict[str, Mapping[str, Any]]:
        """The signals of the newest report by name."""
        return {signal["signal"]: signal for signal in self.reports[-1]["signals"]}


class RecordingEvents:
    """A sink that records the Events on workloads."""

    def __init__(self) -> None:
        self.recorded: list[WorkloadEvent] = []

    async def record(self, event: WorkloadEvent) -> None:
        """Record one Event."""
        self.recorded.append(event)

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """Workload, reason and message of each Event."""
        return [(str(event.workload), event.reason.value, event.message) for event in self.recorded]


class Scenario:
    """One leader's term; another scenario with the same `profiles` is a restart.

    *cluster* replaces the in-memory cluster.
    """

    def __init__(
        self,
        prometheus: EmojivotoPrometheus,
        profiles: InMemoryProfiles | None = None,
        *,
        snapshot: ClusterSnapshot | None = None,
        history_days: int = 1,
        network_provider: Any = "auto",
        cluster: ClusterPorts | None = None,
        observer: QueryObserver | None = None,
        limits: Limits | None = None,
        timeslots: int = 4,
        shard_bytes: int = MAX_BYTES,
        limits_of_collection: CollectionLimits | None = None,
        max_profiles: int = 50_000,
        scheduling: SchedulingPolicy | None = None,
    ) -> None:
        self.prometheus, self.sink, self.events = prometheus, RecordingSink(), RecordingEvents()
        self.profiles = profiles or InMemoryProfiles("profiling")
        source = PrometheusSource(
            "http://prometheus.test:9090",
            scope=Scope(excluded=("kube-system",)),
            network_providers=(network_provider,),
            limits=limits or Limits(timeout_seconds=5),
            observer=observer,
            transport=prometheus.transport,
            retry_policy=RetryPolicy(sleep=_no_pause),
        )
        lister = FixedSnapshot(snapshot or ClusterSnapshot(workloads=DEPLOYMENTS))
        policy = CyclePolicy(
            EstimationPolicy(),
            history_days,
            timeslots,
            shard_bytes=shard_bytes,
            max_profiles=max_profiles,
            limits=limits_of_collection or CollectionLimits(),
            scheduling=scheduling,
        )
        cluster = cluster or ClusterPorts(lister, self.profiles, self.sink, self.events)
        self._cycle = ProfilingCycle(source, cluster, policy, in_scope)

    async def cycle(self, minutes: float = 0, progress: Progress = lambda _done, _total: None) -> CycleReport:
        """Run a cycle *minutes* after noon."""
        return await self._cycle.run_once(NOON + timedelta(minutes=minutes), progress)

    def learned(self, minutes: float = 0) -> dict[Identity, Profile]:
        """Every profile that can be derived from the learned state, as if none were stored."""
        return learned_by(self._cycle, NOON + timedelta(minutes=minutes))

    def derived(self) -> DerivedProfiles:
        """What the next cycle at noon derives beside the stored profiles."""
        return derived_beside(self.profiles.catalogue, self._cycle, NOON)

    @property
    def checkpoint_faults(self) -> Mapping[str, str]:
        """What the cycle reports of its check-points."""
        return self._cycle.checkpoint_faults()

    @property
    def report_faults(self) -> Mapping[str, str]:
        """What the cycle reports of its status report."""
        return self._cycle.report_faults()

    @property
    def stored(self) -> str:
        """All stored objects as JSON text."""
        return json.dumps(self.profiles.manifests, sort_keys=True, indent=1)

    @property
    def values(self) -> dict[str, str]:
        """The value of each stored object by name."""
        return {name: _value(manifest["spec"]) for name, manifest in self.profiles.manifests.items()}


def _value(spec: Mapping[str, Any]) -> str:
    need = spec.get("cpuProfiling") or spec.get("memoryProfiling") or {}
    return str(need.get("value") or spec["bandwidth_requirement"])


def learned_by(cycle: ProfilingCycle, now: datetime) -> dict[Identity, Profile]:
    """Every profile that *cycle* can derive from its learned state, as if none were stored."""
    derived = derived_beside(ProfileCatalogue(), cycle, now)
    return {profile.identity: profile for profile in derived.profiles}


def derived_beside(stored: ProfileCatalogue, cycle: ProfilingCycle, now: datetime) -> DerivedProfiles:
    """What *cycle* derives from its learned state if these profiles are *stored*."""
    states = [SignalState(signal, Health.OK, "Answered", "") for signal in (*Resource, Signal.CONNECTIONS)]
    newest = newest_complete_step(now.timestamp())
    return cycle._derivation.derive(states, newest, in_scope, EVERY_CONTAINER, StoredValues(stored, now))


def same_profiles(learned: Mapping[Any, Profile], expected: Mapping[Any, Profile]) -> bool:
    """True if the profiles are equal; the values of connections to one part in a thousand."""
    for identity, profile in expected.items():
        other = learned[identity]
        if identity.kind != ProfileKind.CONNECTION:
            assert other == profile
        assert other.basis == profile.basis
        assert float(other.value) == pytest.approx(float(profile.value), rel=1e-3)
    return set(learned) == set(expected)


async def _no_pause(_seconds: float) -> None:
    """Replaces the pause between two attempts."""

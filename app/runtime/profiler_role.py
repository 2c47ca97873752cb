"""The profiler role: contends for the Lease; the leader keeps certificates, probes and runs cycles."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry

from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import ClusterClient
from app.kubernetes.election import LeaderElector, LeaseTiming
from app.kubernetes.events import EventRecorder
from app.kubernetes.reflector import Reflector
from app.kubernetes.self_probe.prober import Prober
from app.profiler.backfill.metrics import BackfillMetrics
from app.profiler.cycle.cycle import ProfilingCycle
from app.profiler.cycle.loop import CyclePlan, CycleSchedule, run_cycles
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.ports import ClusterPorts, ProfileStore, WorkloadLister
from app.profiler.profile_gauges import ProfileGauges
from app.profiler.registries.namespaces import NamespaceScope
from app.runtime.adapters import (
    ClusterEvents,
    ClusterProfiles,
    ClusterReport,
)
from app.runtime.backfill import BackfillFactory
from app.runtime.certificates import authority_secret, certificate_keeper
from app.runtime.health_metrics import HealthMetrics
from app.runtime.policies import cycle_policy
from app.runtime.prometheus import check_access, open_usage_source
from app.runtime.vpa import VpaFactory
from app.runtime.watches.faults import TermWatches, clock_fault
from app.runtime.watches.namespace_metadata import NamespaceMetadataWatches
from app.runtime.watches.namespaces import NamespaceWatches, check_selector
from app.runtime.watches.pods import PodWatches
from app.runtime.watches.profiles import ProfileWatches
from app.runtime.watches.scheduling_labels import SchedulingLabelWatches
from app.runtime.watches.vertical_autoscalers import AutoscalerWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.runtime.webhook_policies import probe_policy
from app.settings.environment import Settings
from app.settings.types import CertificateProvider
from app.sources.query_metrics import QueryMetrics
from app.tls.key_pairs import certificate_of, key_pair_of

_LEASE = "lease"
ReadFaults = Callable[[], Mapping[str, str]]


def cluster_ports(
    settings: Settings,
    client: ClusterClient,
    profiles: ProfileStore,
    lister: WorkloadLister,
    events: EventRecorder,
) -> ClusterPorts:
    """The ports of a cycle, on the API server."""
    return ClusterPorts(
        lister,
        profiles,
        ClusterReport(client, settings.own_namespace, events),
        ClusterEvents(events),
        CheckpointMaps(client, settings.own_namespace),
    )


def identity_of(settings: Settings) -> str:
    """The unique name of this replica."""
    return settings.identity or f"{socket.gethostname()}-{os.getpid()}"


def cycle_plan(settings: Settings) -> CyclePlan:
    """The policy and the schedule of cycles."""
    return CyclePlan(cycle_policy(settings), CycleSchedule(settings.background_routine_update_time))


class ProfilerRole:
    """One replica of the profiler; `run` terminates only by cancellation or by a fault."""

    def __init__(
        self,
        settings: Settings,
        client: ClusterClient,
        profiles: ProfileWatches,
        registry: CollectorRegistry,
        plan: CyclePlan | None = None,
    ) -> None:
        self._settings = settings
        self._plan = plan or cycle_plan(settings)
        self._elector = LeaderElector(
            client,
            settings.own_namespace,
            settings.lease,
            identity_of(settings),
            timing=LeaseTiming(
                settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period
            ),
        )
        # Used for all work of a leader: a stalled leader that resumes sends no more writes.
        self._client = client = client.with_write_fence(lambda: self._elector.is_leader)
        self._profiles, catalogue = profiles, profiles.catalogue
        self._metrics, self._queries = CycleMetrics(registry), QueryMetrics(registry)
        if settings.background_routine_enabled:
            check_access(settings)
        self._leading = False
        self._authority = authority_secret(client, settings)
        self._watched: list[
            PodWatches
            | WorkloadWatches
            | NamespaceWatches
            | NamespaceMetadataWatches
            | SchedulingLabelWatches
            | AutoscalerWatches
        ] = []
        self._events = EventRecorder(client, identity_of(settings))
        self._prober = Prober(client, probe_policy(settings), self._events, registry)
        if settings.workload_metrics:
            ProfileGauges(catalogue, lambda: self._leading, registry, settings.max_workload_series)
        self._backfill = (
            BackfillFactory(settings, client, catalogue, BackfillMetrics(registry))
            if settings.backfill_enabled
            else None
        )

        self._vpa = (
            VpaFactory(settings, client, catalogue, self._events)
            if settings.vpa_recommender_enabled and settings.background_routine_enabled
            else None
        )

        # Of the tasks that go on in spite of a fault: the reason of each, by its subject.
        self._task_faults: dict[str, ReadFaults] = {
            _LEASE: self._elector.faults,
            "events": self._events.faults,
            "self-probe": self._prober.faults,
            **({"back-fill": self._backfill.faults} if self._backfill else {}),
            **({"VerticalPodAutoscalers": self._vpa.faults} if self._vpa else {}),
        }

    def register_metrics(self, health: HealthMetrics) -> None:
        """Register the leader's metrics; a follower has no values for them."""
        health.certificates["ca"] = lambda: (
            certificate_of(key_pair_of(self._authority.cached_data)) if self._leading else None
        )
        health.watches.append(self._watches)
        health.probe_succeeded = lambda: self._prober.has_succeeded
        health.task_faults = lambda: {
            task: read() if self._leading or task == _LEASE else {}
            for task, read in self._task_faults.items()
        }

    def faults(self) -> Mapping[str, str]:
        """The reason of each fault of the last cycle and of each task, by its subject."""
        of_cycle = self._metrics.faults if self._leading else {}
        return {**of_cycle, **self._faults_of_tasks()}

    def _faults_of_tasks(self) -> dict[str, str]:
        return {
            subject: reason for read in self._current_tasks().values() for subject, reason in read().items()
        }

    def _clock_fault(self) -> dict[str, str]:
        return clock_fault("clock of the profiler", self._client.server_clock)

    def _current_tasks(self) -> dict[str, ReadFaults]:
        """A follower has no other task than to ask for the Lease."""
        return self._task_faults if self._leading else {_LEASE: self._elector.faults}

    async def run(self) -> None:
        """Check the namespace selector, then contend for the Lease and lead.

        Raises:
            SettingsError: the API server rejects the selector.
        """
        await check_selector(self._client, self._settings)
        await self._elector.run(self._lead)

    async def _lead(self) -> None:
        """The work of one term; its state is dropped afterwards, the next term starts from check-points."""
        self._set_leading(leading=True)
        namespaces = NamespaceWatches(self._client, self._settings)
        pods = PodWatches(self._client, self._settings.profiling_namespace)
        metadata = NamespaceMetadataWatches(self._client, self._settings.profiling_namespace)
        workloads = WorkloadWatches(self._client, self._settings.profiling_namespace, pods, metadata)
        asking = SchedulingLabelWatches(self._client, self._settings.profiling_namespace)
        try:
            async with asyncio.TaskGroup() as group:
                if self._settings.certificate_provider is CertificateProvider.SELF:
                    keeper = certificate_keeper(self._client, self._settings, self._authority)
                    self._task_faults["certificates"] = keeper.faults
                    keeper_loop = keeper.run(self._settings.certificate_check_period)
                    group.create_task(keeper_loop, name="certificates")
                group.create_task(self._prober.run(), name="self-probe")
                if self._settings.background_routine_enabled:
                    decisive: list[Reflector[Any]] = [*pods.reflectors, *namespaces.reflectors]
                    watches = TermWatches(
                        lambda: [*self._profiles.reflectors, *self._watches()],
                        decisive,
                        lambda: {**self._faults_of_tasks(), **self._clock_fault()},
                    )
                    group.create_task(
                        self._run_cycles(workloads, namespaces.scope, watches, pods, asking), name="cycles"
                    )
                    group.create_task(workloads.run(), name="watch of workloads")
                    group.create_task(asking.run(), name="watch of scheduling labels")
                    group.create_task(metadata.run(), name="watch of metadata of namespaces")
                    self._watched += [workloads, asking, metadata]
                if self._vpa:
                    autoscalers = self._vpa.watches()
                    group.create_task(autoscalers.run(), name="watch of VerticalPodAutoscalers")
                    vpa = self._vpa.run(autoscalers, metadata, workloads, namespaces.scope.covers)
                    group.create_task(vpa, name="VerticalPodAutoscalers")
                    self._watched += [autoscalers]
                if self._backfill:
                    backfill = self._backfill.run(
                        pods, workloads.registry, namespaces.scope, self._profiles.have_settled
                    )
                    group.create_task(backfill, name="back-fill")
                if self._settings.background_routine_enabled or self._backfill:
                    group.create_task(pods.run(), name="watch of pods")
                    group.create_task(namespaces.run(), name="watch of namespaces")
                    self._watched += [pods, namespaces]
                await asyncio.Event().wait()
        finally:
            self._watched = []
            self._set_leading(leading=False)

    def _watches(self) -> list[Reflector[Any]]:
        """All watches of the current term."""
        return [reflector for watches in self._watched for reflector in watches.reflectors]

    def _set_leading(self, *, leading: bool) -> None:
        self._leading = leading
        self._metrics.set_leader(is_leader=leading)

    async def _run_cycles(
        self,
        lister: WorkloadLister,
        namespaces: NamespaceScope,
        watches: TermWatches,
        pods: PodWatches,
        asking: SchedulingLabelWatches,
    ) -> None:
        profiles = ClusterProfiles(
            self._client,
            self._settings.profiles_home,
            self._profiles.catalogue,
            is_failing=self._profiles.is_failing,
        )
        ports = cluster_ports(self._settings, self._client, profiles, lister, self._events)
        cluster = replace(ports, watches=watches, asking_namespaces=lambda: asking.names)
        async with open_usage_source(
            self._settings, self._client, namespaces, self._queries, pods.registry.knows
        ) as source:
            cycle = ProfilingCycle(source, cluster, self._plan.policy, namespaces.covers, namespaces.current)
            self._task_faults |= {"check-points": cycle.checkpoint_faults, "status": cycle.report_faults}
            await run_cycles(cycle, namespaces, self._plan.schedule, self._metrics)

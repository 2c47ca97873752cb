"""The profiler role: contends for the Lease; while it leads, it keeps certificates and runs cycles."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from prometheus_client import CollectorRegistry

from app.domain.catalogue import ProfileCatalogue
from app.errors import ClusterError, UnavailableError
from app.estimation.policy import EstimationPolicy
from app.kubernetes.client import ClusterClient
from app.kubernetes.election import LeaderElector, LeaseTiming
from app.profiler.aging import AgingPolicy
from app.profiler.cycle import CyclePolicy, ProfilingCycle
from app.profiler.metrics import BackfillMetrics, CycleMetrics
from app.profiler.ports import Cluster, UsageSource, WorkloadLister
from app.runtime.cluster_ports import (
    ClusterProfiles,
    ClusterReport,
    PublishedTrust,
    SecretKeyPair,
)
from app.runtime.watched_pods import BackfillTerms, WatchedPods, WatchedWorkloads
from app.settings import CertificateProvider, Settings
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from app.tls.keeper import CertificateKeeper

log = structlog.get_logger(__name__)
_CERTIFICATE_CHECK_SECONDS = 60.0
_RETRY_SECONDS = 2.0


@asynccontextmanager
async def open_prometheus(settings: Settings) -> AsyncIterator[PrometheusSource]:
    """The Prometheus of the settings, as a source of usage."""
    async with PrometheusSource(
        settings.prometheus_base_url,
        scope=Scope(settings.profiling_namespace, (*settings.excluded_namespaces, settings.own_namespace)),
        network_provider=settings.network_metric_provider.value,
        connections_url=settings.connections_base_url,
        timeout_seconds=settings.prometheus_timeout,
    ) as source:
        yield source


def cycle_policy(settings: Settings) -> CyclePolicy:
    """The policy that the settings ask for."""
    # Today, and as many days before it as a new leader reads: a restart changes no value.
    estimation = EstimationPolicy(window_days=settings.history_days + 1, min_samples=settings.min_samples)
    aging = AgingPolicy(timedelta(days=settings.stale_after_days), timedelta(days=settings.expire_after_days))
    return CyclePolicy(estimation, settings.history_days, settings.timeslots, aging, settings.max_profiles)


def cluster_ports(
    settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, lister: WorkloadLister
) -> Cluster:
    """The API server as the cycle meets it."""
    return Cluster(
        lister,
        ClusterProfiles(client, settings.profiles_home, catalogue),
        ClusterReport(client, settings.own_namespace, identity_of(settings)),
    )


def identity_of(settings: Settings) -> str:
    """The name of this replica."""
    return settings.identity or f"{socket.gethostname()}-{os.getpid()}"


class ProfilerRole:
    """What one replica does for ever; `run` ends only by cancellation or by a fault."""

    def __init__(
        self,
        settings: Settings,
        client: ClusterClient,
        catalogue: ProfileCatalogue,
        registry: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._client = client
        self._catalogue = catalogue
        self._metrics = CycleMetrics(registry)
        self._backfill = (
            BackfillTerms(settings, client, catalogue, BackfillMetrics(registry))
            if settings.backfill_enabled
            else None
        )
        self._elector = LeaderElector(
            client,
            settings.own_namespace,
            settings.lease,
            identity_of(settings),
            timing=LeaseTiming(
                settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period
            ),
        )

    async def run(self) -> None:
        """Contend and lead."""
        await self._elector.run(self._lead)

    async def _lead(self) -> None:
        """The leader's work; what was learned belongs to this term, the next leader reads the past anew."""
        self._metrics.leads(leading=True)
        pods = WatchedPods(self._client, self._settings.profiling_namespace)
        try:
            async with asyncio.TaskGroup() as group:
                if self._settings.certificate_provider is CertificateProvider.SELF:
                    group.create_task(self._keep_certificates(), name="certificates")
                if self._settings.background_routine_enabled:
                    group.create_task(self._run_cycles(pods), name="cycles")
                if self._backfill:
                    group.create_task(self._backfill.run(pods), name="back-fill")
                if self._settings.background_routine_enabled or self._backfill:
                    group.create_task(pods.run(), name="watch of pods")
                await asyncio.Event().wait()
        finally:
            self._metrics.leads(leading=False)

    async def _run_cycles(self, pods: WatchedPods) -> None:
        lister = WatchedWorkloads(self._client, self._settings.profiling_namespace, pods)
        cluster = cluster_ports(self._settings, self._client, self._catalogue, lister)
        async with open_prometheus(self._settings) as source:
            await repeat_cycles(source, cluster, self._settings, self._metrics)

    async def _keep_certificates(self) -> None:
        namespace = self._settings.own_namespace
        keeper = CertificateKeeper(
            SecretKeyPair(self._client, namespace, self._settings.ca_secret),
            SecretKeyPair(self._client, namespace, self._settings.tls_secret),
            PublishedTrust(self._client, self._settings.webhook_configuration),
            self._settings.certificate_names,
        )
        fault = ""
        while True:
            pause = _CERTIFICATE_CHECK_SECONDS
            try:
                await keeper.ensure(datetime.now(UTC))
                fault = ""
            except ClusterError as error:
                pause = _RETRY_SECONDS
                if str(error) != fault:
                    log.warning("certificates_not_kept", error=str(error))
                fault = str(error)
            await asyncio.sleep(pause)


async def repeat_cycles(
    source: UsageSource,
    cluster: Cluster,
    settings: Settings,
    metrics: CycleMetrics,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """One cycle per period; a cycle that takes longer than its period skips, and never piles up."""
    cycle = ProfilingCycle(source, cluster, cycle_policy(settings), settings.profiles_pods_of)
    period = settings.background_routine_update_time
    due, fault = monotonic(), ""
    while True:
        try:
            report = await cycle.run_once(clock())
        except ClusterError as error:
            pause = error.retry_after_seconds if isinstance(error, UnavailableError) else None
            if str(error) != fault:  # once per change, not per try
                log.warning("cycle_failed", error=str(error))
            fault = str(error)
            metrics.failed()
            due = monotonic() + min(pause or _RETRY_SECONDS, period)
        else:
            fault = ""
            metrics.finished(report, clock())
            log.info(
                "cycle_finished",
                samples=report.samples,
                profiles=report.stored,
                written=report.written,
                seconds=round(report.seconds, 3),
            )
            due = max(due + period, monotonic())
        await asyncio.sleep(max(due - monotonic(), 0))

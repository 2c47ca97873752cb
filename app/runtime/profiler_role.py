"""The profiler role: contends for the Lease; while it leads, it keeps certificates and runs cycles."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from app.domain.catalogue import ProfileCatalogue
from app.errors import ClusterError, SettingsError, SourceError, UnavailableError
from app.kubernetes.checkpoint_maps import CheckpointMaps
from app.kubernetes.client import ClusterClient
from app.kubernetes.election import LeaderElector, LeaseTiming
from app.kubernetes.events import EventRecorder
from app.kubernetes.reflector import Reflector
from app.kubernetes.self_probe.prober import Prober
from app.outage_log import OutageLog
from app.periodic import next_run
from app.profiler.cycle.cycle import RETAINED_DAYS, CyclePolicy, ProfilingCycle
from app.profiler.cycle.metrics import BackfillMetrics, CycleMetrics
from app.profiler.cycle.plan_aging import AgingPolicy
from app.profiler.ports import ClusterPorts, WorkloadLister
from app.profiler.profile_gauges import ProfileGauges
from app.profiler.registries.namespaces import NamespaceScope
from app.recommendation.policy import EstimationPolicy
from app.runtime.adapters import (
    ClusterEvents,
    ClusterProfiles,
    ClusterReport,
)
from app.runtime.certificates import authority_secret, keep_certificates
from app.runtime.health_metrics import HealthMetrics
from app.runtime.scope import query_scope
from app.runtime.watches.namespaces import NamespaceWatches, check_selector
from app.runtime.watches.pods import BackfillFactory, PodWatches
from app.runtime.watches.workloads import WorkloadWatches
from app.settings.environment import Settings
from app.settings.types import CertificateProvider
from app.sources.credentials import PrometheusCredentials
from app.sources.prometheus import QUERIES_PER_CYCLE, Limits, PrometheusSource
from app.sources.query_metrics import QueryMetrics
from app.sources.query_observer import QueryObserver
from app.tls.renewal import certificate_of
from app.tls.secret_data import key_pair_of

log = structlog.get_logger(__name__)
_RETRY_SECONDS = 2.0


@asynccontextmanager
async def open_prometheus(
    settings: Settings,
    namespaces: NamespaceScope,
    observer: QueryObserver | None = None,
    *,
    queries_per_cycle: float = QUERIES_PER_CYCLE,
) -> AsyncIterator[PrometheusSource]:
    """The Prometheus of the settings, as a source of usage of the namespaces that are in scope by then.

    A file that they name is read when something is asked, so that one that is away makes a failing source.
    """
    async with PrometheusSource(
        settings.prometheus_base_url,
        scope=lambda: query_scope(settings, namespaces.current()),
        network_provider=settings.network_metric_provider.value,
        connections_url=settings.connections_base_url,
        limits=Limits(
            settings.prometheus_sample_budget,
            queries_per_cycle,
            settings.prometheus_concurrency,
            settings.prometheus_timeout,
        ),
        credentials=_credentials(settings),
        observer=observer,
    ) as source:
        yield source


def _credentials(settings: Settings) -> PrometheusCredentials:
    """The credentials for Prometheus."""
    return PrometheusCredentials(
        bearer_token_file=settings.prometheus_bearer_token_file,
        username=settings.prometheus_username,
        password_file=settings.prometheus_password_file,
        ca_file=settings.prometheus_ca_file,
        certificate_file=settings.prometheus_certificate_file,
        key_file=settings.prometheus_key_file,
        tenant=settings.prometheus_tenant,
        sigv4_region=settings.prometheus_sigv4_region,
    )


def check_access(settings: Settings) -> None:
    """Raises SettingsError where a file that is named for Prometheus can't be used."""
    credentials = _credentials(settings)
    try:
        credentials.authentication()
        credentials.tls_context()
    except SourceError as error:
        raise SettingsError([str(error)]) from error


def cycle_policy(settings: Settings) -> CyclePolicy:
    """The policy that the settings ask for."""
    estimation = EstimationPolicy(RETAINED_DAYS, settings.min_samples, settings.risk)
    aging = AgingPolicy(timedelta(days=settings.stale_after_days), timedelta(days=settings.expire_after_days))
    return CyclePolicy(
        estimation,
        settings.history_days,
        settings.timeslots,
        aging,
        settings.max_profiles,
        settings.profile_write_rate,
    )


def cluster_ports(
    settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, lister: WorkloadLister
) -> ClusterPorts:
    """The API server as the cycle meets it."""
    return ClusterPorts(
        lister,
        ClusterProfiles(client, settings.profiles_home, catalogue),
        ClusterReport(client, settings.own_namespace, identity_of(settings)),
        ClusterEvents(client, identity_of(settings)),
        CheckpointMaps(client, settings.own_namespace),
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
        self._elector = LeaderElector(
            client,
            settings.own_namespace,
            settings.lease,
            identity_of(settings),
            timing=LeaseTiming(
                settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period
            ),
        )
        # All that a leader does: what it decided before it was held up is not sent afterwards.
        self._client = client = client.only_while(lambda: self._elector.is_leader)
        self._catalogue = catalogue
        self._metrics, self._queries = CycleMetrics(registry), QueryMetrics(registry)
        if settings.background_routine_enabled:
            check_access(settings)
        self._leading = False
        self._authority = authority_secret(client, settings)
        self._watches: list[Reflector[Any]] = []
        self._prober = Prober(client, settings, EventRecorder(client, identity_of(settings)), registry)
        ProfileGauges(catalogue, lambda: self._leading, registry)
        self._backfill = (
            BackfillFactory(settings, client, catalogue, BackfillMetrics(registry))
            if settings.backfill_enabled
            else None
        )

    def tell(self, health: HealthMetrics) -> None:
        """Have *health* know what a leader knows; of a follower there is nothing to tell."""
        health.certificates["ca"] = lambda: (
            certificate_of(key_pair_of(self._authority.known)) if self._leading else None
        )
        health.watches.append(lambda: self._watches)
        health.probe_succeeded = lambda: self._prober.has_succeeded

    async def run(self) -> None:
        """Contend and lead; a selector that the cluster can't read ends it before."""
        await check_selector(self._client, self._settings)
        await self._elector.run(self._lead)

    async def _lead(self) -> None:
        """The leader's work; what was learned belongs to this term, the next one begins with check-points."""
        self._leads(leading=True)
        namespaces = NamespaceWatches(self._client, self._settings)
        pods = PodWatches(self._client, self._settings.profiling_namespace)
        workloads = WorkloadWatches(self._client, self._settings.profiling_namespace, pods)
        try:
            async with asyncio.TaskGroup() as group:
                if self._settings.certificate_provider is CertificateProvider.SELF:
                    keeping = keep_certificates(self._client, self._settings, self._authority)
                    group.create_task(keeping, name="certificates")
                group.create_task(self._prober.run(), name="self-probe")
                if self._settings.background_routine_enabled:
                    group.create_task(self._run_cycles(workloads, namespaces.scope), name="cycles")
                    group.create_task(workloads.run(), name="watch of workloads")
                    self._watches += workloads.reflectors
                if self._backfill:
                    group.create_task(self._backfill.run(pods, namespaces.scope), name="back-fill")
                if self._settings.background_routine_enabled or self._backfill:
                    group.create_task(pods.run(), name="watch of pods")
                    group.create_task(namespaces.run(), name="watch of namespaces")
                    self._watches += [*pods.reflectors, *namespaces.reflectors]
                await asyncio.Event().wait()
        finally:
            self._watches = []
            self._leads(leading=False)

    def _leads(self, *, leading: bool) -> None:
        self._leading = leading
        self._metrics.leads(leading=leading)

    async def _run_cycles(self, lister: WorkloadLister, namespaces: NamespaceScope) -> None:
        cluster = cluster_ports(self._settings, self._client, self._catalogue, lister)
        async with open_prometheus(self._settings, namespaces, self._queries) as source:
            cycle = ProfilingCycle(
                source, cluster, cycle_policy(self._settings), namespaces.covers, namespaces.current
            )
            period_seconds = self._settings.background_routine_update_time
            await repeat_cycles(cycle, namespaces, period_seconds, self._metrics)


async def repeat_cycles(
    cycle: ProfilingCycle,
    namespaces: NamespaceScope,
    period_seconds: float,
    metrics: CycleMetrics,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """One cycle per period; one that takes longer skips those that were due meanwhile."""
    due, outage = monotonic(), OutageLog(log, "cycle_failed")
    while True:
        try:
            await namespaces.until_listed()
            if arrived := namespaces.arrivals():
                log.info("namespaces_came_into_scope", namespaces=sorted(arrived))
                cycle.admit(arrived)
            report = await cycle.run_once(clock())
        except ClusterError as error:
            pause = error.retry_after_seconds if isinstance(error, UnavailableError) else None
            outage.failed(error)
            metrics.failed()
            due = monotonic() + min(pause or _RETRY_SECONDS, period_seconds)
        else:
            outage.succeeded()
            metrics.finished(report, clock())
            log.info(
                "cycle_finished",
                samples=report.samples,
                profiles=report.stored,
                written=report.written,
                seconds=round(report.seconds, 3),
            )
            due, skipped = next_run(due, period_seconds, monotonic())
            metrics.skipped(skipped)
        await asyncio.sleep(max(due - monotonic(), 0))

"""`job-profiler serve`: connects to the cluster, builds the roles, runs them until a signal to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from app.domain.catalogue import ProfileCatalogue
from app.http_server.listener import Listener
from app.interrupts import interrupts_raised
from app.kubernetes.client import ClusterClient, open_cluster
from app.runtime.health import HEALTH_CLIENTS, create_health
from app.runtime.health_metrics import HealthMetrics
from app.runtime.logs import configure_logs
from app.runtime.scheduling import sets_requests
from app.runtime.supervision import supervise
from app.runtime.watches.profiles import ProfileWatches
from app.runtime.webhook_role import WebhookRole
from app.settings.environment import Settings
from app.settings.types import Role
from app.webhook.constraint_index import ConstraintIndex

if TYPE_CHECKING:
    from app.runtime.profiler_role import ProfilerRole

log = structlog.get_logger(__name__)
# With both roles in one process, threads of a cycle yield to reviews sooner than after Python's 5 ms.
_SHORT_SWITCH_SECONDS = 0.0005
Tasks = dict[str, Coroutine[Any, Any, None]]
BuildProfiler = Callable[[Settings, ClusterClient, ProfileWatches, CollectorRegistry], "ProfilerRole"]


def serve(settings: Settings, build_profiler: BuildProfiler | None = None) -> None:
    """Run until SIGTERM or Ctrl-C; a task that terminates before ends the process with an error.

    *build_profiler* replaces the profiler role, for instance by one with another clock.
    """
    configure_logs(settings.log_level, settings.log_format)
    if settings.role is Role.COMBINED:
        sys.setswitchinterval(_SHORT_SWITCH_SECONDS)
    with interrupts_raised():
        uvloop.run(_serve(settings, build_profiler or _build_profiler))


async def _serve(settings: Settings, build_profiler: BuildProfiler) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_cluster(settings.kubeconfig or None) as client:
        await _run_roles(settings, client, stopping, build_profiler)


async def _run_roles(
    settings: Settings, client: ClusterClient, stopping: asyncio.Event, build_profiler: BuildProfiler
) -> None:
    registry = process_registry()
    catalogue = profile_catalogue(settings)
    profiles = ProfileWatches(client, settings.profiles_home, catalogue)
    metrics = HealthMetrics(registry, client.server_clock)
    metrics.watches.append(lambda: profiles.reflectors)
    tasks: Tasks = {name: watch.run() for name, watch in profiles.by_task.items()}
    checks: dict[str, Callable[[], str | None]] = {
        "shutdown": lambda: "the process is stopping" if stopping.is_set() else None
    }
    fault_sources: list[Callable[[], Mapping[str, str]]] = [metrics.faults]
    drained = stopping
    if settings.role is not Role.PROFILER:
        webhook = WebhookRole(settings, catalogue, registry, _constraints(settings))
        webhook.have_profiles_settled, webhook.read_faults = profiles.have_settled, metrics.faults
        tasks |= webhook.tasks(client, metrics)
        checks["webhook"] = webhook.unready_reason
        drained = asyncio.Event()
        tasks["drain"] = _drain(webhook, stopping, drained)
    if settings.role is not Role.WEBHOOK:
        profiler = build_profiler(settings, client, profiles, registry)
        profiler.register_metrics(metrics)
        tasks["profiler"] = _run_until_stopping(profiler.run(), stopping)
        checks["profiler"] = lambda: (
            None if profiles.have_settled() else "waiting for the initial list of profiles"
        )
        fault_sources.append(profiler.faults)

    def faults() -> dict[str, str]:
        return {subject: reason for read in fault_sources for subject, reason in read().items()}

    health = Listener(
        create_health(checks, registry, faults),
        settings.bind_address,
        settings.health_port,
        policy=HEALTH_CLIENTS,
    )
    tasks["health"] = health.run_until_cancelled()
    log.info("started", role=settings.role.value, webhook_port=settings.webhook_port)
    await supervise(tasks, drained)
    log.info("stopped")


def profile_catalogue(settings: Settings) -> ProfileCatalogue:
    """An empty catalogue that will keep of each profile what the roles of this process need."""
    return ProfileCatalogue(
        with_containers=sets_requests(settings),
        with_last_write=settings.role is not Role.WEBHOOK,
        with_requests=settings.workload_metrics,
        with_risks=settings.vpa_recommender_enabled and settings.role is not Role.WEBHOOK,
    )


def process_registry() -> CollectorRegistry:
    """A registry with the metrics of the process and its platform."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def _constraints(settings: Settings) -> ConstraintIndex | None:
    return ConstraintIndex(settings.profiling_namespace) if sets_requests(settings) else None


def _build_profiler(
    settings: Settings, client: ClusterClient, profiles: ProfileWatches, registry: CollectorRegistry
) -> "ProfilerRole":
    # Only this role imports numpy, which keeps the webhook's process small.
    from app.runtime.profiler_role import ProfilerRole  # noqa: PLC0415 - as above

    return ProfilerRole(settings, client, profiles, registry)


async def _drain(webhook: WebhookRole, stopping: asyncio.Event, drained: asyncio.Event) -> None:
    """After *stopping*, keep the webhook serving for the shutdown delay; then set *drained*."""
    await stopping.wait()
    log.info("draining")
    await webhook.drain()
    drained.set()
    await asyncio.Event().wait()


async def _run_until_stopping(work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> None:
    """Cancel *work* (which releases the Lease) at once on *stopping*, while the webhook still drains.

    Returns only if *work* terminates before: a task that returns would end the process.
    """
    task = asyncio.create_task(work)
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
    finally:
        task.cancel()
        stop.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)
    await asyncio.Event().wait()
    return None

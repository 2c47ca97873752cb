"""`job-profiler serve`: opens the cluster, builds the roles, runs them until the process is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from app.domain.catalogue import ProfileCatalogue, ProfileSink
from app.domain.custom_resources import KINDS
from app.http_server.listener import Listener
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector
from app.runtime.health import create_health
from app.runtime.health_metrics import HealthMetrics
from app.runtime.logs import configure_logs
from app.runtime.scheduling import sets_requests
from app.runtime.supervision import supervise
from app.runtime.webhook_role import WebhookRole
from app.settings.environment import Settings
from app.settings.types import Role
from app.webhook.constraint_index import ConstraintIndex

if TYPE_CHECKING:
    from app.runtime.profiler_role import ProfilerRole

log = structlog.get_logger(__name__)
# With both roles in one process a cycle's threads give way to reviews sooner than Python's 5 ms.
_SHORT_SWITCH_SECONDS = 0.0005
Tasks = dict[str, Coroutine[Any, Any, None]]
BuildProfiler = Callable[[Settings, ClusterClient, ProfileCatalogue, CollectorRegistry], "ProfilerRole"]


def serve(settings: Settings, build_profiler: BuildProfiler | None = None) -> None:
    """Run until SIGTERM or Ctrl-C; a task that ends by itself ends the process with an error.

    *build_profiler* replaces the profiler role, for instance by one on another clock.
    """
    configure_logs(settings.log_level, settings.log_format)
    if settings.role is Role.COMBINED:
        sys.setswitchinterval(_SHORT_SWITCH_SECONDS)
    uvloop.run(_serve(settings, build_profiler or _profiler))


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
    catalogue = ProfileCatalogue(
        with_containers=sets_requests(settings), with_times=settings.role is not Role.WEBHOOK
    )
    metrics, watches = HealthMetrics(registry), _profile_watches(settings, client, catalogue)
    metrics.watches.append(watches.values)
    tasks: Tasks = {name: watch.run() for name, watch in watches.items()}
    checks: dict[str, Callable[[], str | None]] = {
        "shutdown": lambda: "the process is stopping" if stopping.is_set() else None
    }
    leaving = stopping
    if settings.role is not Role.PROFILER:
        webhook = WebhookRole(settings, catalogue, registry, _constraints(settings))
        tasks |= webhook.tasks(client, metrics)
        checks["webhook"] = webhook.not_ready
        leaving = asyncio.Event()
        tasks["drain"] = _drain(webhook, stopping, leaving)
    if settings.role is not Role.WEBHOOK:
        profiler = build_profiler(settings, client, catalogue, registry)
        profiler.tell(metrics)
        tasks["profiler"] = _until(stopping, profiler.run(), leaving)
        checks["profiler"] = lambda: None if catalogue.is_synced else "the profiles have not been listed yet"
    health = Listener(create_health(checks, registry), settings.bind_address, settings.health_port)
    tasks["health"] = health.run_until_cancelled()
    log.info("started", role=settings.role.value, webhook_port=settings.webhook_port)
    await supervise(tasks, leaving)
    log.info("stopped")


def process_registry() -> CollectorRegistry:
    """A registry with the figures of the process itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def _constraints(settings: Settings) -> ConstraintIndex | None:
    return ConstraintIndex(settings.profiling_namespace) if sets_requests(settings) else None


def _profile_watches(
    settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue
) -> dict[str, Reflector[Any]]:
    watches: dict[str, Reflector[Any]] = {}
    for profile_kind, kind in KINDS.items():
        sink = ProfileSink(catalogue, profile_kind)
        selection = ListOptions(paths.profiles(kind.plural, settings.profiles_home))
        watches[f"watch of {kind.plural}"] = Reflector(client, selection, sink, keep=sink.read)
    return watches


def _profiler(
    settings: Settings, client: ClusterClient, catalogue: ProfileCatalogue, registry: CollectorRegistry
) -> "ProfilerRole":
    # numpy comes with this role alone: the webhook's process stays small.
    from app.runtime.profiler_role import ProfilerRole  # noqa: PLC0415

    return ProfilerRole(settings, client, catalogue, registry)


async def _drain(webhook: WebhookRole, stopping: asyncio.Event, leaving: asyncio.Event) -> None:
    """Let the webhook serve on for a while after the process was told to stop."""
    await stopping.wait()
    log.info("draining")
    await webhook.drain()
    leaving.set()
    await asyncio.Event().wait()


async def _until(stopping: asyncio.Event, work: Coroutine[Any, Any, None], leaving: asyncio.Event) -> None:
    """End *work* (and free its Lease) at once when told to stop, while the webhook still drains."""
    working = asyncio.create_task(work)
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
    finally:
        working.cancel()
        stop.cancel()
        await asyncio.gather(working, stop, return_exceptions=True)
    await leaving.wait()
    await asyncio.Event().wait()
    return None

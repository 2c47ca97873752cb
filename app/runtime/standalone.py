"""Both roles in one process without a cluster: profiles in memory, a self-signed CA."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from app.errors import ProfilerError
from app.http_server.binding import in_url
from app.http_server.listener import Listener
from app.profiler.cycle.cycle import ProfilingCycle
from app.profiler.cycle.loop import CycleSchedule, run_cycles
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles, LoggedReport
from app.profiler.ports import ClusterPorts, UsageSource
from app.runtime.health import HEALTH_CLIENTS, create_health
from app.runtime.policies import cycle_policy
from app.runtime.scope import namespace_scope
from app.runtime.serving import process_registry
from app.runtime.supervision import supervise
from app.runtime.webhook_role import WebhookRole
from app.settings.environment import Settings
from app.tls.issuing import issue_authority, issue_serving_certificate
from app.tls.random_keys import RandomKeys

_READY_WITHIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Standalone:
    """A ready server: its profiles, URLs and CA; the task *failed* terminates when the server does."""

    profiles: InMemoryProfiles
    webhook_url: str
    health_url: str
    authority_pem: bytes
    failed: asyncio.Task[None]


@asynccontextmanager
async def run_standalone(
    source: UsageSource, settings: Settings, clock: Callable[[], datetime]
) -> AsyncIterator[Standalone]:
    """Serve both roles until the context exits; the context is entered when the first profiles are computed.

    *clock* returns the time up to which cycles read *source*.

    Raises:
        ProfilerError: the server terminated, or was not ready in time.
    """
    registry = process_registry()
    profiles = InMemoryProfiles(settings.profiles_home)
    webhook = WebhookRole(settings, profiles.catalogue, registry)
    now = datetime.now(UTC)
    keys = RandomKeys()
    authority = issue_authority(keys, now)
    webhook.serving.load(issue_serving_certificate(keys, authority, settings.certificate_names, now))
    webhook.self_dial.trust(authority.certificate)
    checks: dict[str, Callable[[], str | None]] = {
        "webhook": webhook.unready_reason,
        "profiles": lambda: None if profiles.manifests else "no profile is computed yet",
    }
    health = Listener(
        create_health(checks, registry), settings.bind_address, settings.health_port, policy=HEALTH_CLIENTS
    )
    cluster = ClusterPorts(FixedSnapshot(), profiles, LoggedReport())
    namespaces = namespace_scope(settings)
    cycle = ProfilingCycle(source, cluster, cycle_policy(settings), namespaces.covers)
    tasks = {
        "webhook": webhook.listener.run_until_cancelled(),
        "self-dial": webhook.self_dial.run(),
        "health": health.run_until_cancelled(),
        "profiler": run_cycles(
            cycle,
            namespaces,
            CycleSchedule(settings.background_routine_update_time, clock=clock),
            CycleMetrics(registry),
        ),
    }
    stopping = asyncio.Event()
    running = asyncio.create_task(supervise(tasks, stopping))
    try:
        await _wait_until_ready(running, checks)
        host = in_url(settings.certificate_names[0])
        yield Standalone(
            profiles,
            f"https://{host}:{settings.webhook_port}",
            f"http://{host}:{settings.health_port}",
            authority.certificate,
            running,
        )
    finally:
        stopping.set()
        await asyncio.gather(running, return_exceptions=True)


async def _wait_until_ready(running: asyncio.Task[None], checks: dict[str, Callable[[], str | None]]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _READY_WITHIN_SECONDS
    while waiting := [reason for check in checks.values() if (reason := check())]:
        if running.done():
            await running
        if loop.time() > deadline:
            raise ProfilerError(f"the server is not ready: {'; '.join(waiting)}")
        await asyncio.sleep(0.02)

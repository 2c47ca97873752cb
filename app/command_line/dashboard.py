"""`job-profiler dashboard`: serves the pages on this machine until Ctrl-C."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import typer

from app.charts.render import svg
from app.charts.usage_chart import UsageView, usage_chart
from app.command_line.cluster import open_access, scoped
from app.command_line.cluster_access import ClusterAccess
from app.command_line.computed_figures import ComputedFigures, computed_figures
from app.command_line.dashboard_sources import ClusterFacts, RecordedFacts, recorded_input
from app.command_line.namespaces import asked_namespaces, require_namespaces
from app.command_line.stored_figures import prices_of
from app.command_line.terminal import run, until_stopped
from app.dashboard.readings import FactSource, Readings
from app.dashboard.server import ADDRESS, CLIENTS, Dashboard, Served
from app.errors import ClusterError, SettingsError
from app.http_server.listener import Listener
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_TOKEN_BYTES = 24
_CHART_WIDTH, _CHART_HEIGHT = 960, 260


def serve_dashboard(settings: Settings, access: ClusterAccess, *, history: Path | None, port: int) -> None:
    """Prints the address, and serves until Ctrl-C or SIGTERM."""
    configure_logs("warning", LogFormat.CONSOLE)
    if not 0 <= port <= 65535:
        raise SettingsError([f"--port is {port}: use 1 to 65535; 0 takes a free one"])
    run(_serve(settings, access, history, port))


def draw(view: UsageView) -> str:
    """The usage of a workload as SVG for a page."""
    return svg(usage_chart(view, width=_CHART_WIDTH, height=_CHART_HEIGHT))


async def _serve(settings: Settings, access: ClusterAccess, history: Path | None, port: int) -> None:
    async with (
        open_facts(settings, access, history) as facts,
        served(facts, port) as server,
    ):
        typer.echo(f"Dashboard: {server.url}\nOnly this machine reaches it. Press Ctrl-C to stop.")
        await until_stopped(server.failed)


@asynccontextmanager
async def open_facts(
    settings: Settings, access: ClusterAccess, history: Path | None
) -> AsyncIterator[FactSource]:
    """What the pages show.

    Raises:
        SettingsError: there are no usable credentials of a cluster. One that can't be reached is no error.
        ProfilerError: a namespace that is asked for does not exist in it.
    """
    async with AsyncExitStack() as stack:
        if history is not None:
            yield await _recorded(settings, access, history)
            return
        async with open_access(access) as client:
            with suppress(ClusterError):
                await require_namespaces(client, asked_namespaces(scoped(settings, access)))
        yield await stack.enter_async_context(ClusterFacts(settings, access))


async def _recorded(settings: Settings, access: ClusterAccess, history: Path) -> RecordedFacts:
    computed = await computed_figures(settings, access, history)

    async def compute() -> ComputedFigures:
        return computed

    return RecordedFacts(
        history.name, prices_of(settings), compute, lambda: recorded_input(settings, history)
    )


@asynccontextmanager
async def served(facts: FactSource, port: int) -> AsyncIterator[Served]:
    """Serves until the context ends; yields its address.

    Raises:
        ProfilerError: the port can't be bound.
    """
    readings = Readings(facts, time.monotonic)
    dashboard = Dashboard(readings, secrets.token_urlsafe(_TOKEN_BYTES), draw)
    listener = Listener(dashboard, ADDRESS, port, policy=CLIENTS)
    serving = asyncio.create_task(listener.run_until_cancelled())
    try:
        while listener.own_address is None:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        dashboard.port = listener.own_address[1]
        first = asyncio.create_task(readings.facts())  # read while the browser opens
        yield Served(f"http://{ADDRESS}:{dashboard.port}{dashboard.path}", serving)
        first.cancel()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

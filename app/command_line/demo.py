"""`job-profiler demo`: what the demonstration did, step by step."""

import asyncio
import contextlib
import signal

import typer
import yaml

from app.command_line.tables import console, print_profiles
from app.demo.run import Demonstration, demonstrate
from app.runtime.logs import configure_logs
from app.settings.types import LogFormat


def run_demo(*, keep: bool) -> None:
    """Print the profiles and the annotated Pod; with *keep* serve on until Ctrl-C."""
    configure_logs("warning", LogFormat.CONSOLE)
    typer.echo("Starting profiler and webhook on a recorded past of emojivoto (no cluster needed) ...\n")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(keep=keep))


async def _run(*, keep: bool) -> None:
    async with demonstrate() as demonstration:
        _show(demonstration)
        if keep:
            await _serve_on(demonstration)


def _show(demonstration: Demonstration) -> None:
    print_profiles(console(), demonstration.server.profiles.manifests.values())
    typer.echo(f"\nPosted a Pod of `web` to {demonstration.server.webhook_url}/mutate. ", nl=False)
    typer.echo(f"The answer's patch has {len(demonstration.patch)} operations; the Pod with it applied:\n")
    typer.echo(yaml.safe_dump(demonstration.pod, sort_keys=False), nl=False)


async def _serve_on(demonstration: Demonstration) -> None:
    """Until Ctrl-C or SIGTERM, or until the server itself ends."""
    server = demonstration.server
    typer.echo(f"\nServing {server.webhook_url}/mutate and {server.health_url}/metrics: Ctrl-C ends.")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, server.failed}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if server.failed.done():
        await server.failed

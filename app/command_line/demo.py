"""`job-profiler demo`: runs the demonstration and prints its results."""

import asyncio
import contextlib
import signal

import typer
import yaml

from app.command_line.printout import OutputFormat
from app.command_line.profile_report import profiles_printout
from app.command_line.terminal import print_out
from app.demo.run import Demonstration, demonstrate
from app.runtime.logs import configure_logs
from app.settings.types import LogFormat


def run_demo(*, keep: bool) -> None:
    """Prints the profiles and the annotated Pod; with *keep*, serves until Ctrl-C."""
    configure_logs("warning", LogFormat.CONSOLE)
    typer.echo("Starting profiler and webhook with recorded usage of emojivoto (no cluster needed) ...\n")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(keep=keep))


async def _run(*, keep: bool) -> None:
    async with demonstrate() as demonstration:
        _show(demonstration)
        if keep:
            await _keep_serving(demonstration)


def _show(demonstration: Demonstration) -> None:
    manifests = list(demonstration.server.profiles.manifests.values())
    print_out(profiles_printout(manifests), OutputFormat.WIDE)  # the patched Pod names the profiles
    typer.echo(f"\nSent an admission review of a Pod of `web` to {demonstration.server.webhook_url}/mutate.")
    typer.echo(
        f"The JSON patch in the response has {len(demonstration.patch)} operations. The patched Pod:\n"
    )
    typer.echo(yaml.safe_dump(demonstration.pod, sort_keys=False), nl=False)


async def _keep_serving(demonstration: Demonstration) -> None:
    """Waits for Ctrl-C or SIGTERM, or for the server to fail."""
    server = demonstration.server
    typer.echo(
        f"\nServing {server.webhook_url}/mutate and {server.health_url}/metrics. Press Ctrl-C to stop."
    )
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, server.failed}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if server.failed.done():
        await server.failed

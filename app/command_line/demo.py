"""`job-profiler demo`: runs the demonstration and prints its results."""

from contextlib import AsyncExitStack

import typer
import yaml

from app.command_line.dashboard_extra import INSTALL, has_dashboard_extra
from app.command_line.printout import OutputFormat
from app.command_line.profile_report import profiles_printout
from app.command_line.terminal import print_out, run, until_stopped
from app.demo.run import Demonstration, demonstrate
from app.runtime.logs import configure_logs
from app.settings.types import LogFormat


def run_demo(*, keep: bool) -> None:
    """Prints the profiles and the annotated Pod; with *keep*, serves until Ctrl-C."""
    configure_logs("warning", LogFormat.CONSOLE)
    typer.echo("Starting profiler and webhook with recorded usage of emojivoto (no cluster needed) ...\n")
    run(_run(keep=keep))


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
    """Serves the dashboard too, if its packages are installed, until Ctrl-C, SIGTERM or a failure."""
    server = demonstration.server
    typer.echo(f"\nServing {server.webhook_url}/mutate and {server.health_url}/metrics")
    async with AsyncExitStack() as stack:
        running = [server.failed]
        if has_dashboard_extra():
            from app.command_line.demo_dashboard import served_demo

            served = await stack.enter_async_context(served_demo(demonstration))
            running.append(served.failed)
            typer.echo(f"Dashboard: {served.url}")
        else:
            typer.echo(f"The dashboard needs packages that are not installed: {INSTALL}")
        typer.echo("Press Ctrl-C to stop.")
        await until_stopped(*running)

"""`job-profiler record`: writes usage from Prometheus to a history file."""

import secrets
from pathlib import Path

import typer

from app.backtest.recording import anonymise, record_usage
from app.command_line.cluster_access import ClusterAccess
from app.command_line.output_files import check_output_file, writing
from app.command_line.prometheus_access import reach_input
from app.command_line.terminal import run
from app.command_line.usage_input import no_usage, open_usage, progress_bar
from app.errors import SettingsError
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.sources.history_file import RecordedContainer, write_history_file


def record_and_print(
    settings: Settings, access: ClusterAccess, *, output: Path, days: int, anonymous: bool
) -> None:
    """Writes the file and prints a summary of its content."""
    configure_logs("warning", LogFormat.CONSOLE)
    if days < 1:
        raise SettingsError([f"--days is {days}: must be 1 or more"])
    check_output_file("--output", output)
    containers = run(_record(settings, access, days))
    if anonymous:
        # The salt is not stored, so names cannot be guessed from the hashes.
        containers = anonymise(containers, secrets.token_bytes(32))
    with writing("--output", output):
        write_history_file(output, containers)
    samples = sum(len(container.timestamps) for container in containers)
    typer.echo(
        f"{output}: {len(containers)} containers, {samples} steps, {output.stat().st_size / 1e6:.1f} MB"
    )


async def _record(settings: Settings, access: ClusterAccess, days: int) -> list[RecordedContainer]:
    async with (
        reach_input(settings, access, None) as reached,
        open_usage(reached, None, days=days, with_today=True) as usage,
        progress_bar() as bar,
    ):
        containers = await record_usage(
            usage.source, usage.requests, usage.steps, usage.covers, bar.task("recording")
        )
    if not containers:
        raise no_usage(usage)
    return containers

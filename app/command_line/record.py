"""`job-profiler record`: what Prometheus knows of usage, as a file that stands in its place."""

import asyncio
import secrets
from pathlib import Path

import typer

from app.backtest.recording import anonymous, recorded_usage
from app.command_line.usage_input import open_past, progress_bar
from app.errors import ProfilerError, SettingsError
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat
from app.sources.history_file import RecordedContainer, write_history_file


def record_and_tell(settings: Settings, *, output: Path, days: int, anonymise: bool) -> None:
    """Write the file and say what is in it."""
    configure_logs("warning", LogFormat.CONSOLE)
    if days < 1:
        raise SettingsError([f"--days is {days}: give 1 or more"])
    if not output.parent.is_dir():
        raise SettingsError([f"--output is {str(output)!r}: there is no folder {str(output.parent)!r}"])
    containers = asyncio.run(_recorded(settings, days))
    if anonymise:
        # The salt is forgotten, so that nobody can try names against the hashes.
        containers = anonymous(containers, secrets.token_bytes(32))
    try:
        write_history_file(output, containers)
    except OSError as error:
        raise SettingsError([f"--output is {str(output)!r}, which can't be written: {error}"]) from error
    samples = sum(len(each.timestamps) for each in containers)
    typer.echo(
        f"{output}: {len(containers)} containers, {samples} steps, {output.stat().st_size / 1e6:.1f} MB"
    )


async def _recorded(settings: Settings, days: int) -> list[RecordedContainer]:
    async with open_past(settings, None, days=days, with_today=True) as past, progress_bar() as bar:
        found = await recorded_usage(
            past.source, past.requests, past.steps, past.covers, bar.task("recording")
        )
    if not found:
        raise ProfilerError(f"{past.name} knows no usage of any container in scope: see `--help`")
    return found

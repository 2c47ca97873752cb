"""`job-profiler backtest`: every policy on the same past, as table, JSON and plots."""

import asyncio
import json
from pathlib import Path

import numpy as np
import typer
from rich.table import Table

from app.backtest import plots
from app.backtest.collecting import past_usage
from app.backtest.protocol import WINDOW_DAYS, EvaluationPeriod, protocol_of
from app.backtest.replay import Replay, replay
from app.backtest.report import date_of, document, scores_of
from app.backtest.usage import Usage
from app.command_line.tables import console
from app.command_line.usage_input import ProgressBar, UsageInput, open_past, progress_bar
from app.domain.profiles import Resource
from app.errors import HistoryFileError, ProfilerError, SettingsError
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

PLOTTED_CONTAINERS = 50
_NEEDED = "a backtest learns from at least one UTC day and judges the next"
_COLUMNS = (
    ("CPU SLACK", "cpu_relative_slack", "{:.3f}"),
    ("NO LESS THAN 0", "cpu_relative_slack_clipped_at_zero", "{:.3f}"),
    ("UNUSED CORES", "cpu_absolute_slack_cores", "{:.3f}"),
    ("TIME ABOVE", "cpu_time_above", "{:.2%}"),
    ("DAYS MOSTLY ABOVE", "cpu_days_mostly_above", "{:.2%}"),
    ("MEMORY SLACK", "memory_relative_slack", "{:.3f}"),
    ("UNUSED GIB", "memory_absolute_slack_bytes", "{:.3f}"),
    ("DAYS WITHIN", "memory_days_above", "{:.2%}"),
    ("CHANGES/DAY", "changes_per_day", "{:.2f}"),
)
_STATED = (
    ("TIME ABOVE", "cpu_expected_above", "{:.2%}"),
    ("CAME", "cpu_time_above", "{:.2%}"),
    ("AT MOST", "cpu_bound_mean", "{:.2%}"),
    ("DAYS KEPT TO IT", "cpu_bound_held", "{:.2%}"),
    ("DAYS WITH MORE MEMORY", "memory_expected_days_above", "{:.2%}"),
    ("CAME", "memory_days_above", "{:.2%}"),
)


def backtest_and_print(
    settings: Settings, *, history: Path | None, days: int, as_json: bool, plot: Path | None
) -> None:
    """Replay the past and print how each policy would have held."""
    configure_logs("warning", LogFormat.CONSOLE)
    if days < 2:
        raise SettingsError([f"--days is {days}: {_NEEDED}"])
    result = asyncio.run(_replayed(settings, history, days))
    if plot:
        _plot(result, plot)
    if as_json:
        typer.echo(json.dumps(document(result), indent=2, allow_nan=False))
    else:
        _print(result)


async def _replayed(settings: Settings, history: Path | None, days: int) -> Replay:
    async with open_past(settings, history, days=days) as past, progress_bar() as bar:
        usage = await past_usage(past.source, past.requests, past.steps, past.covers, bar.task("reading"))
        if usage is None:
            raise ProfilerError(f"{past.name} knows no usage of any workload in scope: see `--help`")
        return await _judged(usage, past, bar, is_file=history is not None)


async def _judged(usage: Usage, past: UsageInput, bar: ProgressBar, *, is_file: bool) -> Replay:
    protocol = protocol_of(usage.days)
    if protocol is None:
        kind = HistoryFileError if is_file else ProfilerError
        raise kind(f"{past.name} holds {usage.days} UTC day of usage: {_NEEDED}")
    if not protocol.is_full:
        typer.echo(_short(usage, protocol, past.name), err=True)
    result = await asyncio.to_thread(replay, usage, protocol, bar.task("replaying"))
    if not result.judged.any():
        raise ProfilerError(
            f"no container of {past.name} can be judged: none was seen for most of a day after a past of"
            f" {protocol.least_learned_steps} steps of 5 minutes"
        )
    return result


def _short(usage: Usage, protocol: EvaluationPeriod, name: str) -> str:
    first, last = protocol.first_day + 1, protocol.last_day + 1
    return (
        f"{name} holds {usage.days} UTC days, fewer than {WINDOW_DAYS + 1}: values are made of"
        f" {protocol.first_day} to {protocol.last_day} days instead of {WINDOW_DAYS}, and days {first} to"
        f" {last} are judged"
    )


def _print(result: Replay) -> None:
    usage, protocol = result.usage, result.protocol
    out = console()
    out.print(
        f"{int(result.judged.sum())} days of {int(result.judged.any(axis=1).sum())} containers,"
        f" {date_of(usage.first_day + protocol.first_day)} to {date_of(usage.first_day + protocol.last_day)};"
        " each value is made of the days before, and held for one day"
    )
    scores = {name: scores_of(policy) for name, policy in result.policies.items()}
    table = _table("POLICY", _COLUMNS)
    for name, found in scores.items():
        table.add_row(name, *(_cell(found[key], key, form) for _, key, form in _COLUMNS))
    out.print(table)
    out.print("\nwhat our values stated of their risk, and what came (means)")
    stated = _table("STATED BY", _STATED)
    for name, found in scores.items():
        if "cpu_bound_mean" in found:
            stated.add_row(name, *(_told(found[key], form) for _, key, form in _STATED))
    out.print(stated)


def _table(first: str, columns: tuple[tuple[str, str, str], ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for title, *_ in columns:
        table.add_column(title, justify="right")
    return table


def _cell(score: float | None, key: str, form: str) -> str:
    if score is None:
        return "-"
    told = {"memory_days_above": 1 - score, "memory_absolute_slack_bytes": score / 2**30}.get(key, score)
    return _told(told, form)


def _told(score: float | None, form: str) -> str:
    return "-" if score is None else form.format(score)


def _plot(result: Replay, directory: Path) -> None:
    """The frontier, and the containers of which most is set aside."""
    values = result.policies["normal"].values[Resource.CPU]
    judged = np.flatnonzero(result.judged.any(axis=1))
    size = np.nan_to_num(values[judged]).max(axis=1)
    chosen = judged[np.argsort(-size, kind="stable")][:PLOTTED_CONTAINERS]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "frontier.svg").write_text(plots.frontier(result))
        for series in chosen.tolist():
            name = str(result.usage.containers[series]).replace("/", "_")
            (directory / f"{name}.svg").write_text(plots.container(result, series))
    except OSError as error:
        raise SettingsError(
            [f"--plot is {str(directory)!r}, where nothing can be written: {error}"]
        ) from error
    typer.echo(f"{len(chosen) + 1} plots written to {directory}", err=True)

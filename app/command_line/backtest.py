"""`job-profiler backtest`: replays all policies on the same usage; prints tables or JSON, writes plots."""

import asyncio
import json
from pathlib import Path

import numpy as np
import typer
from rich.table import Table

from app.backtest import plots
from app.backtest.collecting import collect_usage
from app.backtest.protocol import MIN_STEPS, WINDOW_DAYS, EvaluationPeriod, evaluation_period
from app.backtest.replay import Replay, replay
from app.backtest.report import document, format_day, scores_of
from app.backtest.usage import Usage
from app.command_line.cluster import scoped, uses_cluster
from app.command_line.cluster_access import ClusterAccess
from app.command_line.terminal import console, print_error
from app.command_line.usage_input import ProgressBar, no_usage, open_usage, progress_bar
from app.domain.profiles import Resource
from app.errors import HistoryFileError, ProfilerError, SettingsError
from app.printable import printable
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

PLOTTED_CONTAINERS = 50
_TWO_DAYS = "a backtest needs at least two UTC days, one to learn from and one to evaluate"
# Title, key of the score, format.
_SCORES = (
    ("CPU SLACK", "cpu_relative_slack", "{:.3f}"),
    ("CPU SLACK >= 0", "cpu_relative_slack_clipped_at_zero", "{:.3f}"),
    ("CPU UNUSED (CORES)", "cpu_absolute_slack_cores", "{:.3f}"),
    ("CPU TIME EXCEEDED", "cpu_time_above", "{:.2%}"),
    ("CPU DAYS >20% OF TIME ABOVE", "cpu_days_mostly_above", "{:.2%}"),
    ("MEMORY SLACK", "memory_relative_slack", "{:.3f}"),
    ("MEMORY UNUSED (GIB)", "memory_absolute_slack_bytes", "{:.3f}"),
    ("MEMORY DAYS NOT EXCEEDED", "memory_days_above", "{:.2%}"),
    ("CHANGES/DAY", "changes_per_day", "{:.2f}"),
)
_LEGEND = (
    'Slack: (value - daily P95) / value; ">= 0" counts negative slack as 0. Exceeded: usage above the value.',
    (
        "low, normal, high: this policy at each RISK. krr, vpa, autopilot: re-implemented rules of other"
        " tools. clairvoyant: P99 (CPU) and maximum (memory) of the evaluated day itself."
    ),
)
_RISKS = (
    ("CPU TIME EXCEEDED: PREDICTED", "cpu_expected_above", "{:.2%}"),
    ("OBSERVED", "cpu_time_above", "{:.2%}"),
    ("UPPER BOUND", "cpu_bound_mean", "{:.2%}"),
    ("DAYS WITHIN BOUND", "cpu_bound_held", "{:.2%}"),
    ("MEMORY DAYS EXCEEDED: PREDICTED", "memory_expected_days_above", "{:.2%}"),
    ("OBSERVED", "memory_days_above", "{:.2%}"),
)


def backtest_and_print(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    access: ClusterAccess,
    *,
    history: Path | None,
    days: int,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Replays all policies and prints their scores."""
    configure_logs("warning", LogFormat.CONSOLE)
    if history is None and uses_cluster(settings, access):
        settings = scoped(settings, access)
    if days < 2:
        raise SettingsError([f"--days is {days}: {_TWO_DAYS}"])
    result = asyncio.run(_replay(settings, access, history, days))
    if plot:
        _plot(result, plot)
    if as_json:
        typer.echo(json.dumps(document(result), indent=2, allow_nan=False))
    else:
        _print(result)


async def _replay(settings: Settings, access: ClusterAccess, history: Path | None, days: int) -> Replay:
    async with open_usage(settings, access, history, days=days) as usage_input, progress_bar() as bar:
        usage = await collect_usage(
            usage_input.source,
            usage_input.requests,
            usage_input.steps,
            usage_input.covers,
            bar.task("reading"),
        )
        if usage is None:
            raise no_usage(usage_input)
        return await _replay_usage(usage, usage_input.name, bar, is_file=history is not None)


async def _replay_usage(usage: Usage, source_name: str, bar: ProgressBar, *, is_file: bool) -> Replay:
    period = evaluation_period(usage.days)
    if period is None:
        error = HistoryFileError if is_file else ProfilerError
        raise error(f"{source_name} has {usage.days} UTC day of usage: {_TWO_DAYS}")
    if not period.is_full:
        print_error(_short_usage(usage, period, source_name))
    result = await asyncio.to_thread(replay, usage, period, bar.task("replaying"))
    if not result.evaluation_mask.any():
        raise ProfilerError(
            f"no container of {source_name} can be evaluated: a day needs samples in {MIN_STEPS} 5-minute"
            f" steps, and the days before it in {period.min_training_steps}"
        )
    return result


def _short_usage(usage: Usage, period: EvaluationPeriod, source_name: str) -> str:
    """The warning for usage that is shorter than a full window."""
    first, last = period.first_day + 1, period.last_day + 1
    return (
        f"{source_name} has {usage.days} UTC days of usage, fewer than {WINDOW_DAYS + 1}: values are computed"
        f" from {period.first_day} to {period.last_day} days instead of {WINDOW_DAYS}, and days {first} to"
        f" {last} are evaluated"
    )


def _print(result: Replay) -> None:
    period, mask, first_day = result.period, result.evaluation_mask, result.usage.first_day
    out = console()
    out.print(
        f"Evaluated {int(mask.sum())} container-days ({int(mask.any(axis=1).sum())} containers,"
        f" {format_day(first_day + period.first_day)} to {format_day(first_day + period.last_day)})."
        " Each value is computed from the days before, and held for one day."
    )
    for line in _LEGEND:
        out.print(line)
    scores = {name: scores_of(policy) for name, policy in result.policies.items()}
    table = _table(_SCORES)
    for name, policy_scores in scores.items():
        table.add_row(name, *(_cell(policy_scores[key], key, form) for _, key, form in _SCORES))
    out.print(table)
    out.print()
    out.print("Predicted and observed risk of this policy (means)")
    risk_table = _table(_RISKS)
    for name, policy_scores in scores.items():
        if "cpu_bound_mean" in policy_scores:
            risk_table.add_row(name, *(_format(policy_scores[key], form) for _, key, form in _RISKS))
    out.print(risk_table)


def _table(columns: tuple[tuple[str, str, str], ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("POLICY", no_wrap=True)
    for title, *_ in columns:
        table.add_column(title, justify="right")
    return table


def _cell(score: float | None, key: str, form: str) -> str:
    if score is None:
        return "-"
    shown = {"memory_days_above": 1 - score, "memory_absolute_slack_bytes": score / 2**30}.get(key, score)
    return _format(shown, form)


def _format(score: float | None, form: str) -> str:
    return "-" if score is None else form.format(score)


def _plot(result: Replay, directory: Path) -> None:
    """Writes the frontier, and a plot for each of the containers with the largest CPU values."""
    values = result.policies["normal"].values[Resource.CPU]
    evaluated = np.flatnonzero(result.evaluation_mask.any(axis=1))
    size = np.nan_to_num(values[evaluated]).max(axis=1)
    plotted = evaluated[np.argsort(-size, kind="stable")][:PLOTTED_CONTAINERS]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "frontier.svg").write_text(plots.frontier(result))
        for series in plotted.tolist():
            name = printable(str(result.usage.containers[series])).replace("/", "_")
            (directory / f"{name}.svg").write_text(plots.container(result, series))
    except OSError as error:
        raise SettingsError([f"--plot is {str(directory)!r}: cannot write to the folder: {error}"]) from error
    print_error(f"{len(plotted) + 1} plots written to {directory}")

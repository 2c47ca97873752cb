"""`job-profiler backtest`: replays all policies on the same usage; prints tables, writes plots."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from app.backtest import plots
from app.backtest.collecting import collect_usage
from app.backtest.node_packing import NODES
from app.backtest.protocol import (
    SHORT_PAST_HOURS,
    SHORTEST_PAST,
    WINDOW_DAYS,
    EvaluationPeriod,
    evaluated_usage,
)
from app.backtest.replay import Replay, replay
from app.backtest.report import document, format_day, scores_of, updater_scores_of
from app.backtest.usage import Usage
from app.command_line.cluster_access import ClusterAccess
from app.command_line.output_files import writing
from app.command_line.plot_files import is_plot_folder, write_plot
from app.command_line.printout import Column, OutputFormat, Printout, Table
from app.command_line.prometheus_access import reach_input
from app.command_line.terminal import print_error, print_out, run
from app.command_line.usage_input import ProgressBar, no_usage, open_usage, progress_bar
from app.domain.profiles import Resource
from app.errors import HistoryFileError, ProfilerError, SettingsError
from app.printable import printable
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

PLOTTED_CONTAINERS = 50
Columns = tuple[tuple[str, str, str], ...]
# Title, key of the score, format.
_CPU = (
    ("SLACK", "cpu_relative_slack", "{:.3f}"),
    ("SLACK >= 0", "cpu_relative_slack_clipped_at_zero", "{:.3f}"),
    ("WASTE CORES", "cpu_absolute_slack_cores", "{:.3f}"),
    ("OVER CORES", "cpu_overuse_cores", "{:.4f}"),
    ("WASTE /USE", "cpu_waste_of_use", "{:.3f}"),
    ("OVER /USE", "cpu_overuse_of_use", "{:.4f}"),
    ("TIME ABOVE", "cpu_time_above", "{:.2%}"),
    ("DAYS < P95/2", "cpu_days_below_half_of_p95", "{:.2%}"),
    ("CHANGES /DAY", "cpu_changes_per_day", "{:.3f}"),
)
_MEMORY = (
    ("SLACK", "memory_relative_slack", "{:.3f}"),
    ("WASTE GIB", "memory_absolute_slack_bytes", "{:.3f}"),
    ("OVER MIB", "memory_overuse_bytes", "{:.3f}"),
    ("WASTE /USE", "memory_waste_of_use", "{:.3f}"),
    ("OVER /USE", "memory_overuse_of_use", "{:.4f}"),
    ("DAYS ABOVE", "memory_days_above", "{:.2%}"),
    ("ABOVE BY 10%", "memory_days_far_above", "{:.2%}"),
    ("NEVER ABOVE", "memory_containers_never_above", "{:.1%}"),
    ("CHANGES /DAY", "memory_changes_per_day", "{:.3f}"),
)
_PACKING = (
    ("NODES", "nodes", "{:.1f}"),
    ("UNMET CORE-HOURS /DAY", "unmet_core_hours_per_day", "{:.2f}"),
)
_UPDATER = (
    ("ACTIONS /DAY", "actions_per_day", "{:.3f}"),
    ("BELOW LOWER BOUND", "actions_below_lower_bound", "{:.3f}"),
    ("ABOVE UPPER BOUND", "actions_above_upper_bound", "{:.3f}"),
    ("DIFFERENCE >= 10%", "actions_by_difference", "{:.3f}"),
    ("OVER CORES", "cpu_overuse_cores", "{:.4f}"),
    ("OVER MIB", "memory_overuse_bytes", "{:.3f}"),
)
_PACKING_TITLE = (
    f"Packing on nodes of {NODES.cores:g} cores and {NODES.memory_bytes / 2**30:g} GiB (first fit,"
    f" {NODES.orders} random orders)"
)
_UNITS = {"memory_absolute_slack_bytes": 2.0**30, "memory_overuse_bytes": 2.0**20}
_LEGEND = (
    'Slack: (value - daily P95) / value; ">= 0" counts negative slack as 0.',
    "Waste: reserved and not used; over: used above the value; means over the day, and shares of all use.",
    "low, normal, high: this policy at each RISK. krr, vpa, autopilot: re-implemented rules of other tools.",
    "-no-floor: without the least value that the tool gives every container.",
    "clairvoyant: P99 (CPU) and maximum (memory) of the evaluated day itself.",
)
_RISKS = (
    ("CPU TIME ABOVE PREDICTED", "cpu_expected_above", "{:.2%}"),
    ("OBSERVED", "cpu_time_above", "{:.2%}"),
    ("UPPER BOUND", "cpu_bound_mean", "{:.2%}"),
    ("DAYS WITHIN BOUND", "cpu_bound_held", "{:.2%}"),
    ("MEMORY DAYS ABOVE PREDICTED", "memory_expected_days_above", "{:.2%}"),
    ("OBSERVED", "memory_days_above", "{:.2%}"),
)
Scores = Mapping[str, float | int | None]


def backtest_and_print(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    access: ClusterAccess,
    *,
    history: Path | None,
    days: int,
    output: OutputFormat,
    plot: Path | None,
) -> None:
    """Replays all policies and prints their scores."""
    configure_logs("warning", LogFormat.CONSOLE)
    if days < 1:
        raise SettingsError([f"--days is {days}: no day is read"])
    if plot:
        is_plot_folder(plot)  # checked before the replay, which takes its time
    result = run(_replay(settings, access, history, days))
    if plot:
        _plot(result, plot)
    print_out(replay_printout(result), output)


async def _replay(settings: Settings, access: ClusterAccess, history: Path | None, days: int) -> Replay:
    async with (
        reach_input(settings, access, history) as reached,
        open_usage(reached, history, days=days) as usage_input,
        progress_bar() as bar,
    ):
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
    evaluated = await asyncio.to_thread(evaluated_usage, usage)
    if evaluated is None:
        error = HistoryFileError if is_file else ProfilerError
        raise error(f"no container of {source_name} can be evaluated: {SHORTEST_PAST}")
    replayed, period = evaluated
    if not period.is_full:
        print_error(_short_usage(usage.days, period, source_name))
    return await asyncio.to_thread(replay, replayed, period, bar.task("replaying"))


def _short_usage(days: int, period: EvaluationPeriod, source_name: str) -> str:
    """The warning for usage that is shorter than a full window."""
    if period.is_short_past:
        return (
            f"{source_name} has too little usage to evaluate days: values are computed from the first"
            f" {SHORT_PAST_HOURS} hours of each container, and the 24 hours after them are evaluated"
        )
    first, last = period.first_day + 1, period.last_day + 1
    return (
        f"{source_name} has {days} UTC days of usage, fewer than {WINDOW_DAYS + 1}: values are computed"
        f" from {period.first_day} to {period.last_day} days instead of {WINDOW_DAYS}, and days {first} to"
        f" {last} are evaluated"
    )


def replay_printout(result: Replay) -> Printout:
    """The scores of all policies as tables; for programs, those of `document`."""
    period, mask, first_day = result.period, result.evaluation_mask, result.usage.first_day
    learned = "first hours" if period.is_short_past else "days before"
    evaluated = (
        f"Evaluated {int(mask.sum())} container-days ({int(mask.any(axis=1).sum())} containers,"
        f" {format_day(first_day + period.first_day)} to {format_day(first_day + period.last_day)})."
        f" Each value is computed from the {learned}, and held for one day."
    )
    scores = {name: scores_of(policy) for name, policy in result.policies.items()}
    updater = {name: updater_scores_of(of_updater) for name, of_updater in result.updater.items()}
    stated = {name: of_policy for name, of_policy in scores.items() if "cpu_bound_mean" in of_policy}
    tables = [
        _table("CPU", _CPU, scores),
        _table("Memory (never above: share of containers)", _MEMORY, scores),
    ]
    if result.updater:
        tables += [
            _table(_PACKING_TITLE, _PACKING, scores),
            _table("VPA's updater with these targets and bounds, by container-day", _UPDATER, updater),
        ]
    tables.append(_table("Predicted and observed risk of this policy (means)", _RISKS, stated))
    return Printout(document(result), tables, before=[evaluated, *_LEGEND])


def _table(title: str, columns: Columns, scores: Mapping[str, Scores]) -> Table:
    numbers = [Column(name, key, form.format, is_number=True) for name, key, form in columns]
    rows = [{"policy": name, **_in_units(of_policy)} for name, of_policy in scores.items()]
    return Table(title, [Column("POLICY", "policy", is_whole=True), *numbers], rows)


def _in_units(scores: Scores) -> Scores:
    """The scores with memory in GiB and MiB."""
    return {key: score if score is None else score / _UNITS.get(key, 1) for key, score in scores.items()}


def _plot(result: Replay, target: Path) -> None:
    """Writes the frontier to the file, or all plots to the folder *target*."""
    if not is_plot_folder(target):
        write_plot(target, plots.frontier(result))
        print_error(f"slack against risk written to {target}")
        return
    with writing("--plot", target):
        target.mkdir(parents=True, exist_ok=True)
    plotted = _plotted(result)
    write_plot(target / "frontier.svg", plots.frontier(result))
    for series in plotted:
        name = printable(str(result.usage.containers[series])).replace("/", "_")
        write_plot(target / f"{name}.svg", plots.container(result, series))
    print_error(f"{len(plotted) + 1} plots written to {target}")


def _plotted(result: Replay) -> list[int]:
    """The containers with the largest CPU values."""
    values = result.policies["normal"].values[Resource.CPU]
    evaluated = np.flatnonzero(result.evaluation_mask.any(axis=1))
    size = np.nan_to_num(values[evaluated]).max(axis=1)
    plotted: list[int] = evaluated[np.argsort(-size, kind="stable")][:PLOTTED_CONTAINERS].tolist()
    return plotted

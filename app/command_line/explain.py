"""`job-profiler explain`: where the numbers of one workload come from, in words and as a plot."""

import asyncio
import difflib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.table import Table

from app.backtest.collecting import past_usage
from app.backtest.explanation import Considered, Explanation, elapsed_of, explain
from app.backtest.plots import days_panel
from app.backtest.protocol import WINDOW_DAYS
from app.backtest.report import date_of
from app.backtest.svg import picture
from app.backtest.usage import Usage
from app.command_line.past import open_past, progress_bar
from app.command_line.tables import console
from app.domain.profiles import Resource, RiskLevel
from app.domain.quantities import format_need, format_time
from app.domain.workloads import Workload
from app.errors import ProfilerError, SettingsError
from app.estimation.rules import Candidate
from app.estimation.samples import step_time
from app.runtime.logs import configure_logs
from app.settings import LogFormat, Settings

_UNITS = {Resource.CPU: "cores", Resource.MEMORY: "bytes"}
_RISKS = {Resource.CPU: "of the time above it", Resource.MEMORY: "of days with more at some time"}


def explain_and_print(settings: Settings, named: str, *, history: Path | None, plot: Path | None) -> None:
    """Print where the value of each container of the workload *named* comes from."""
    configure_logs("warning", LogFormat.CONSOLE)
    workload = parse_workload(named)
    usage, last_step = asyncio.run(_usage_of(settings, workload, history))
    told = _explanations(usage, settings.risk, elapsed_of(last_step))
    _print(told, usage.containers[0].workload, last_step)
    if plot:
        try:
            plot.write_text(_picture(usage, told))
        except OSError as error:
            raise SettingsError([f"--plot is {str(plot)!r}, which can't be written: {error}"]) from error


def parse_workload(named: str) -> Workload:
    """`NAMESPACE/NAME` or `KIND/NAMESPACE/NAME`; without a kind any kind will do (it is empty then).

    Raises:
        SettingsError: it is neither.
    """
    match named.split("/"):
        case [namespace, name] if namespace and name:
            return Workload(namespace, name, "")
        case [kind, namespace, name] if kind and namespace and name:
            return Workload(namespace, name, kind)
    raise SettingsError([f"WORKLOAD is {named!r}: use NAMESPACE/NAME or KIND/NAMESPACE/NAME"])


async def _usage_of(settings: Settings, wanted: Workload, history: Path | None) -> tuple[Usage, int]:
    """The usage of the containers of *wanted*, and the newest step."""
    settings = settings.model_copy(update={"profiling_namespace": (wanted.namespace,)})
    async with open_past(settings, history, days=WINDOW_DAYS, with_today=True) as past, progress_bar() as bar:
        usage = await past_usage(past.source, past.requests, past.steps, past.covers, bar.task("reading"))
    if usage is None:
        raise ProfilerError(f"{past.name} knows no usage in the namespace {wanted.namespace}")
    return usage.of(_found(wanted, {each.workload for each in usage.containers}, past.name)), past.steps.last


def _found(wanted: Workload, known: Iterable[Workload], name: str) -> Workload:
    """The workload of that name, whose kind may be left out where there is only one."""
    fitting = sorted(
        each
        for each in known
        if each.name == wanted.name and wanted.kind.casefold() in {"", each.kind.casefold()}
    )
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        spelled = ", ".join(f"{each.kind}/{each.namespace}/{each.name}" for each in fitting)
        raise SettingsError([f"WORKLOAD fits more than one workload of {name}: name one of {spelled}"])
    names = sorted(str(each) for each in known)
    close = difflib.get_close_matches(str(wanted), names, n=3) or names[:3]
    raise ProfilerError(
        f"{name} knows no workload {wanted.namespace}/{wanted.name}; it knows {', '.join(close)}"
    )


def _explanations(usage: Usage, risk: RiskLevel, elapsed: float) -> list[Explanation]:
    found = [
        explain(usage, resource, series, risk, elapsed)
        for resource in Resource
        for series in np.argsort([each.container for each in usage.containers]).tolist()
    ]
    return [each for each in found if each]


def _print(told: list[Explanation], workload: Workload, last_step: int) -> None:
    out = console()
    out.print(f"{workload}, as of {format_time(step_time(last_step))}")
    for each in told:
        out.print(f"\n{each.container.container}, {_amount(each.resource, each.chosen.value)}")
        for sentence in _sentences(each):
            out.print(f"  {sentence}")
        for table in (_days_table(each), _candidates_table(each), _others_table(each)):
            out.print()
            out.print(table)
    for resource in Resource:
        values = [each.chosen.value for each in told if each.resource is resource]
        if len(values) > 1:
            out.print(f"\nAll {len(values)} containers together: {_amount(resource, sum(values))}")
    out.print(
        "\nA profile sums up the containers that still run. It keeps an older value while moving would save"
        " too little, and is raised for a while after throttling and OOM kills."
    )


def _amount(resource: Resource, value: float) -> str:
    return f"{resource.value.upper() if resource is Resource.CPU else 'memory'}: {_need(resource, value)}"


def _need(resource: Resource, value: float) -> str:
    return f"{format_need(resource, value)} {_UNITS[resource]}"


def _sentences(told: Explanation) -> Iterable[str]:
    length, risk = sum(day.share for day in told.days), _RISKS[told.resource]
    first, last = date_of(told.days[0].day), date_of(told.days[-1].day)
    replicas = "one replica" if told.replicas == 1 else f"at most {told.replicas} replicas at a time"
    yield (
        f"{told.samples} samples of {replicas}; the choice rests on {len(told.days)} UTC days, {first} to"
        f" {last}, of which {length:.1f} days' time was seen."
    )
    if told.today_counts:
        yield "Today counts: less than a day is known before it, or it outgrew what the days before it gave."
    added = f", and {told.little_history:.1%} for so short a past" if told.little_history > 0.0005 else ""
    yield f"It is {_spelled(told.candidate)}: {_need(told.resource, told.base)}{added}."
    yield (
        f"On those days, weighed by recency, it would have left a relative slack of {told.chosen.slack:.3f}"
        f" over the day's P95, and {told.chosen.risk:.2%} {risk}; cheapest of {told.rule.size} candidates,"
        f" where cost is slack and {told.rule.price:g} times that risk."
    )
    bound = f"; nine days of ten keep to {told.at_most:.2%}" if told.at_most is not None else ""
    yield f"To be expected of the coming day: {told.expected:.2%} {risk}{bound}."


def _spelled(candidate: Candidate) -> str:
    rank = {1: "the largest", 2: "the 2nd largest", 3: "the 3rd largest"}.get(
        candidate.rank, f"the {candidate.rank}th largest"
    )
    level = "maxima" if candidate.level == 1 else f"P{candidate.level * 100:g}"
    margin = f", times {candidate.margin:g}" if candidate.margin != 1 else ""
    return f"{rank} of the days' {level}{margin}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"  {first}", no_wrap=True)
    for title in others:
        table.add_column(title, justify="right")
    return table


def _days_table(told: Explanation) -> Table:
    table = _table("DAY", "SEEN", "P50", "P95", "P99", "MAXIMUM", "WEIGHT")
    for day in told.days:
        amounts = (format_need(told.resource, each) for each in day.quantiles)
        table.add_row(f"  {date_of(day.day)}", f"{day.share:.0%}", *amounts, f"{day.weight:.3f}")
    return table


def _candidates_table(told: Explanation) -> Table:
    table = _table("CANDIDATE", "VALUE", "SLACK", "RISK", "COST")
    for candidate, considered in told.best:
        table.add_row(f"  {_spelled(candidate)}", *_columns(told.resource, considered))
    return table


def _others_table(told: Explanation) -> Table:
    table = _table("ANOTHER CHOICE", "VALUE", "SLACK", "RISK", "COST")
    for name, considered in told.others.items():
        table.add_row(f"  {name}", *_columns(told.resource, considered))
    return table


def _columns(resource: Resource, told: Considered) -> tuple[str, str, str, str]:
    return format_need(resource, told.value), f"{told.slack:.3f}", f"{told.risk:.2%}", f"{told.cost:.3f}"


def _picture(usage: Usage, told: list[Explanation]) -> str:
    """The days of each container beside what each rule gives now."""
    panels = []
    for each in told:
        series = usage.containers.index(each.container)
        values = {name: np.full(usage.days, other.value) for name, other in each.others.items()}
        panels.append(days_panel(each.resource, usage.lanes[each.resource], series, values))
        panels[-1].title = f"{each.container.container}: {each.resource.value}"
    return picture(
        panels, f"{usage.containers[0].workload}; what each rule gives now, beside the usage before"
    )

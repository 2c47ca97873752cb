"""`job-profiler explain`: where the numbers of one workload come from, in words and as a plot.

With a cluster's kubeconfig, the profiles that are stored there stand beside what is worked out here.
"""

import asyncio
import difflib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from app.backtest.collecting import past_usage
from app.backtest.explanation import (
    BoundScale,
    ContainerPast,
    Explanation,
    PricedValue,
    bound_scale_of,
    elapsed_of,
    explain,
)
from app.backtest.plots import days_panel
from app.backtest.protocol import WINDOW_DAYS
from app.backtest.report import date_of
from app.backtest.stored import StoredNeed, read_stored, sum_of, told_differently
from app.backtest.svg import picture
from app.backtest.usage import Usage
from app.command_line.tables import console
from app.command_line.usage_input import open_past, progress_bar
from app.domain.custom_resources import KINDS
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Identity, Resource, RiskLevel
from app.domain.quantities import format_need, format_time
from app.domain.workloads import Workload
from app.errors import ClusterError, NotFoundError, ProfilerError, SettingsError
from app.history.samples import step_time
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient, open_cluster
from app.recommendation.rules import Candidate
from app.recommendation.series_table import SAMPLED_WORKLOADS
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_UNITS = {Resource.CPU: "cores", Resource.MEMORY: "bytes"}
_CLOSING = (
    "The stored profile may tell another number: it sums up the containers that still run, keeps an older"
    " value while moving would save too little, is raised for a while after throttling and OOM kills, and"
    " takes the value of siblings in any namespace for what is new. With --kubeconfig, and without --history,"
    " it is shown."
)
_RISKS = {Resource.CPU: "of the time above it", Resource.MEMORY: "of days with more at some time"}


def explain_and_print(settings: Settings, named: str, *, history: Path | None, plot: Path | None) -> None:
    """Print where the value of each container of the workload *named* comes from."""
    configure_logs("warning", LogFormat.CONSOLE)
    wanted = parse_workload(named)
    usage, workload, last_step = asyncio.run(_usage_of(settings, wanted, history))
    bound = bound_scale_of(usage, settings.risk)
    told = _explanations(usage, workload, settings.risk, elapsed_of(last_step), bound)
    out = console()
    out.print(f"{workload}, as of {format_time(step_time(last_step))}")
    _print(out, told, bound)
    if history is None and settings.kubeconfig:
        _print_stored(out, settings, workload, told)
    else:
        out.print(f"\n{_CLOSING}")
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


async def _usage_of(
    settings: Settings, wanted: Workload, history: Path | None
) -> tuple[Usage, Workload, int]:
    """The usage of *wanted* and of what was read beside it, the workload, and the newest step.

    A file is read whole, since siblings and past statements of others count, too; of Prometheus only the
    workload's namespace is asked for and those that the settings name.
    """
    named = settings.profiling_namespace
    if named or history is None:
        chosen = tuple(dict.fromkeys((*named, wanted.namespace)))
        settings = settings.model_copy(update={"profiling_namespace": chosen})
    async with open_past(settings, history, days=WINDOW_DAYS, with_today=True) as past, progress_bar() as bar:
        usage = await past_usage(past.source, past.requests, past.steps, past.covers, bar.task("reading"))
    known = {each.workload for each in usage.containers} if usage else set()
    near = {each for each in known if each.namespace == wanted.namespace}
    if usage is None or not near:
        raise ProfilerError(f"{past.name} knows no usage in the namespace {wanted.namespace}")
    return usage, _found(wanted, near, past.name), past.steps.last


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


def _explanations(
    usage: Usage, workload: Workload, risk: RiskLevel, elapsed: float, bound: BoundScale
) -> list[Explanation]:
    own = [number for number, each in enumerate(usage.containers) if each.workload == workload]
    own.sort(key=lambda number: usage.containers[number].container)
    found = [
        explain(ContainerPast(usage, resource, series), risk, elapsed, bound)
        for resource in Resource
        for series in own
    ]
    return [each for each in found if each]


def _print(out: Console, told: list[Explanation], bound: BoundScale) -> None:
    for each in told:
        out.print(f"\n{each.container.container}, {_amount(each.resource, each.chosen.value)}")
        for sentence in _sentences(each, bound):
            out.print(f"  {sentence}")
        for table in (_days_table(each), _candidates_table(each), _others_table(each)):
            out.print()
            out.print(table)
    for resource in Resource:
        values = [each.chosen.value for each in told if each.resource is resource]
        if len(values) > 1:
            out.print(f"\nAll {len(values)} containers together: {_amount(resource, sum(values))}")


def _print_stored(out: Console, settings: Settings, workload: Workload, told: list[Explanation]) -> None:
    """The stored profiles beside what was worked out; a cluster that can't be asked is told of."""
    try:
        stored = asyncio.run(_stored(settings, workload))
    except ClusterError as error:
        typer.echo(f"the stored profiles can't be read: {error}", err=True)
        out.print(f"\n{_CLOSING}")
        return
    for resource in Resource:
        anew = [each for each in told if each.resource is resource]
        if resource not in stored:
            out.print(f"\nStored: no profile of {resource.value} in {settings.profiles_home}")
        else:
            for sentence in _beside(stored[resource], anew, settings.risk):
                out.print(sentence)


async def _stored(settings: Settings, workload: Workload) -> dict[Resource, StoredNeed]:
    async with open_cluster(settings.kubeconfig) as client:
        found = {each: await _stored_of(client, settings.profiles_home, each, workload) for each in Resource}
    return {resource: stored for resource, stored in found.items() if stored}


async def _stored_of(
    client: ClusterClient, namespace: str, resource: Resource, workload: Workload
) -> StoredNeed | None:
    """The profile under the one or the other name that it may have; a name alone does not make it one."""
    identity = Identity(resource.profile_kind, workload)
    for name in filter(None, (contract_name(identity), separated_name(identity))):
        path = paths.profile(KINDS[resource.profile_kind].plural, namespace, name)
        try:
            stored = read_stored(workload, resource, await client.get(path))
        except NotFoundError:
            continue
        if stored:
            return stored
    return None


def _beside(stored: StoredNeed, anew: list[Explanation], risk: RiskLevel) -> Iterable[str]:
    unit, here = _UNITS[stored.resource], sum_of(anew) if anew else ""
    title = stored.resource.value.upper() if stored.resource is Resource.CPU else "memory"
    moved = f", the same since {format_time(stored.updated_at)}" if stored.updated_at else ""
    yield f"\nStored, {title}: {stored.value} {unit} ({stored.name}{moved})"
    yield f"  Worked out here: {here} {unit}" if anew else "  Worked out here: nothing, no usage was found"
    if stored.explanation:
        yield f"  Its status: {stored.explanation}"
    if not anew or stored.value == here:
        return
    yield "  Why they may differ:"
    yield from (f"  - {reason}" for reason in told_differently(stored, anew, risk))
    yield (
        f"  - A stored value stays while moving would save less than {anew[0].rule.move_saving:g} of cost,"
        " and falls at most once a day."
    )


def _amount(resource: Resource, value: float) -> str:
    return f"{resource.value.upper() if resource is Resource.CPU else 'memory'}: {_need(resource, value)}"


def _need(resource: Resource, value: float) -> str:
    return f"{format_need(resource, value)} {_UNITS[resource]}"


def _sentences(told: Explanation, scale: BoundScale) -> Iterable[str]:
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
    yield f"{_role(told)} {_spelled(told.candidate)}: {_need(told.resource, told.base)}{added}."
    if told.siblings:
        yield (
            f"It is the median of what {told.siblings.count} of this name in other namespaces need, which are"
            " known for a day or longer: more than its own short past gives."
        )
    yield (
        f"On those days, weighed by recency, it would have left a relative slack of {told.chosen.slack:.3f}"
        f" over the day's P95, and {told.chosen.risk:.2%} {risk}; cheapest of {told.rule.size} candidates,"
        f" where cost is slack and {told.rule.price:g} times that risk."
    )
    yield f"To be expected of the coming day: {told.expected:.2%} {risk}."
    if told.at_most is not None:
        yield (
            f"Nine days of ten keep to {told.at_most:.2%}, going by how past statements held on"
            f" {scale.workloads} workload{'' if scale.workloads == 1 else 's'} of what was read; the profiler"
            f" goes by up to {SAMPLED_WORKLOADS} of the whole cluster."
        )


def _role(told: Explanation) -> str:
    return "By itself it would be" if told.siblings else "It is"


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


def _columns(resource: Resource, told: PricedValue) -> tuple[str, str, str, str]:
    return format_need(resource, told.value), f"{told.slack:.3f}", f"{told.risk:.2%}", f"{told.cost:.3f}"


def _picture(usage: Usage, told: list[Explanation]) -> str:
    """The days of each container beside what each rule gives now."""
    panels = []
    for each in told:
        series = usage.containers.index(each.container)
        values = {name: np.full(usage.days, other.value) for name, other in each.others.items()}
        panels.append(days_panel(each.resource, usage.lanes[each.resource], series, values))
        panels[-1].title = f"{each.container.container}: {each.resource.value}"
    workload = told[0].container.workload if told else ""
    return picture(panels, f"{workload}; what each rule gives now, beside the usage before")

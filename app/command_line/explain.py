"""`job-profiler explain`: explains the CPU and memory values of one workload, as text and as a plot.

With a kubeconfig, the values are also compared with the profiles that are stored in the cluster.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.backtest.collecting import collect_usage
from app.backtest.computed import counted, policy_sentences, sentences
from app.backtest.explanation import (
    BoundScale,
    ContainerUsage,
    Explanation,
    PricedValue,
    bound_scale_of,
    explain,
)
from app.backtest.plots import containers, daily_changes, samples_of
from app.backtest.profile_needs import ProfileNeed, read_need
from app.backtest.report import format_day
from app.backtest.stored import difference_reasons, shown_sum
from app.backtest.usage import Usage
from app.charts.policy_chart import PolicyPanel
from app.charts.vega import Spec
from app.command_line.cluster import scoped, uses_cluster
from app.command_line.cluster_access import ClusterAccess
from app.command_line.cluster_workloads import find_workload
from app.command_line.clusters import opened
from app.command_line.plain_console import console
from app.command_line.plot_files import check_plot_file, write_plot
from app.command_line.profile import compute
from app.command_line.prometheus_access import Reached, reach_input
from app.command_line.stored_needs import read_stored_needs
from app.command_line.terminal import print_error, run
from app.command_line.usage_input import open_usage, progress_bar
from app.command_line.workload_names import only_namespace, parse_workload, select_workload
from app.domain.profiles import Resource, RiskLevel
from app.domain.quantities import RESOURCE_NAMES, format_time
from app.domain.shown_amounts import amount, need
from app.domain.workloads import Workload, is_named
from app.errors import ClusterError, ProfilerError
from app.history.samples import StepRange, step_time
from app.profiler.cycle.collector import wanted_steps
from app.recommendation.policy import LEARNING_DAYS
from app.recommendation.rules import rules_at
from app.recommendation.series_table import SAMPLED_WORKLOADS
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat

_NORMAL_CPU = rules_at(RiskLevel.NORMAL)[Resource.CPU]
_CLOSING = (
    "The stored profile may have another value: it changes only if that saves more than"
    f" {_NORMAL_CPU.min_saving:.0%} of cost, falls at most once a day, rests on up to {LEARNING_DAYS} days,"
    " and uses siblings in all namespaces for new containers. To compare, use --kubeconfig without --history."
)


def explain_and_print(
    settings: Settings, access: ClusterAccess, name: str, *, history: Path | None, plot: Path | None
) -> None:
    """Explains the values of each container of the workload *name*."""
    configure_logs("warning", LogFormat.CONSOLE)
    if plot:
        check_plot_file(plot)
    reads_cluster = history is None and uses_cluster(settings, access)
    namespaces = scoped(settings, access if reads_cluster else ClusterAccess()).profiling_namespace
    wanted = parse_workload(name, only_namespace(namespaces))
    settings = _narrowed(settings, wanted, history)
    (usage, workload, last_step), (needs, reason) = run(_read(settings, access, wanted, history))
    bound = bound_scale_of(usage, settings.risk)
    risk = _risk_of(needs, settings.risk)
    explanations = _explanations(usage, workload, risk, bound)
    out = console()
    out.print(f"{workload}, as of {format_time(step_time(last_step))}")
    _print_needs(out, needs, reason, explanations)
    for sentence in policy_sentences(workload, needs):
        out.print(sentence)
    explanations = counted(explanations, needs)
    _print(out, explanations, bound)
    if reads_cluster:
        settings = settings.model_copy(update={"risk": risk})
        _print_stored(out, settings, access, workload, explanations)
    else:
        _print_closing(out)
    if plot:
        write_plot(plot, _chart(usage, workload, explanations))


def _print_closing(out: Console) -> None:
    out.print()
    out.print(_CLOSING)


async def _read(
    settings: Settings, access: ClusterAccess, wanted: Workload, history: Path | None
) -> tuple[tuple[Usage, Workload, int], tuple[dict[Resource, ProfileNeed], str]]:
    """The usage and the needs, from one source."""
    async with reach_input(settings, access, history) as reached:
        usage, workload, last_step = await _read_usage(reached, access, wanted, history)
        return (usage, workload, last_step), await _compute(reached, access, workload, history)


async def _read_usage(
    reached: Reached, access: ClusterAccess, wanted: Workload, history: Path | None
) -> tuple[Usage, Workload, int]:
    """The usage that was read, the workload that *wanted* selects in it, and the newest step.

    It is of the days that `profile` reads too.
    """
    days = reached.settings.history_days
    async with (
        open_usage(reached, history, days=days, with_today=True) as usage_input,
        progress_bar() as bar,
    ):
        steps = wanted_steps(usage_input.steps.last, days)
        usage = await collect_usage(
            usage_input.source,
            usage_input.requests,
            StepRange(max(steps.first, usage_input.steps.first), steps.last),
            usage_input.covers,
            bar.task("reading"),
        )
    workloads = {container.workload for container in usage.containers} if usage else set()
    if reached.uses_cluster and not any(is_named(workload, wanted) for workload in workloads):
        async with opened(reached.settings, access) as objects:
            idle = await find_workload(objects, wanted, {})
        raise ProfilerError(f"{idle} has no usage in {usage_input.name}")
    workload = select_workload(wanted, workloads, usage_input.name)
    assert usage  # it has the workload
    return usage, workload, usage_input.steps.last


def _narrowed(settings: Settings, wanted: Workload, history: Path | None) -> Settings:
    """The settings for the namespaces to read.

    A file is read as a whole, because siblings and past statements of other workloads count too. From
    Prometheus, only the workload's namespace and those of `--profiling-namespace` are read.
    """
    namespaces = settings.profiling_namespace
    if not namespaces and history is not None:
        return settings
    namespaces = tuple(dict.fromkeys((*namespaces, wanted.namespace)))
    return settings.model_copy(update={"profiling_namespace": namespaces})


async def _compute(
    reached: Reached, access: ClusterAccess, workload: Workload, history: Path | None
) -> tuple[dict[Resource, ProfileNeed], str]:
    """The needs of *workload* as `profile` computes them, and the reason if there are none.

    Raises:
        ProfilerError: the cluster can't be read. Without its Pods, the usage may be that of another workload.
    """
    try:
        report, manifests = await compute(reached, access, history, apply=False)
    except ClusterError as error:
        raise ProfilerError(f"{workload} can't be explained without its cluster: {error}") from error
    needs = {
        resource: need
        for resource in Resource
        for manifest in manifests
        if (need := read_need(workload, resource, manifest))
    }
    return needs, report.reasons.get(str(workload), "")


def _print_needs(
    out: Console, needs: Mapping[Resource, ProfileNeed], reason: str, explanations: list[Explanation]
) -> None:
    """Prints the values that `profile` has for the workload."""
    for resource in Resource:
        if resource in needs:
            for sentence in sentences(resource, needs[resource], explanations):
                out.print(sentence)
        else:
            out.print(f"Profile, {RESOURCE_NAMES[resource]}: none{f' ({reason})' if reason else ''}")


def _risk_of(needs: Mapping[Resource, ProfileNeed], risk: RiskLevel) -> RiskLevel:
    """The level that annotations of the cluster set, else *risk*."""
    return next((level for need in needs.values() if (level := need.policy.risk)), risk)


def _explanations(usage: Usage, workload: Workload, risk: RiskLevel, bound: BoundScale) -> list[Explanation]:
    series = [number for number, container in enumerate(usage.containers) if container.workload == workload]
    series.sort(key=lambda number: usage.containers[number].container)
    explanations = [
        explain(ContainerUsage(usage, resource, number), risk, bound)
        for resource in Resource
        for number in series
    ]
    return [explanation for explanation in explanations if explanation]


def _print(out: Console, explanations: list[Explanation], bound: BoundScale) -> None:
    for explanation in explanations:
        name, resource = explanation.container.container, explanation.resource
        out.print()
        out.print(f"{name}, {RESOURCE_NAMES[resource]}: {amount(resource, explanation.chosen.value)}")
        for sentence in _sentences(explanation, bound):
            out.print(f"  {sentence}")
        for table in (_days_table(explanation), _policies_table(explanation)):
            out.print()
            out.print(table)


def _print_stored(
    out: Console,
    settings: Settings,
    access: ClusterAccess,
    workload: Workload,
    explanations: list[Explanation],
) -> None:
    """Compares the computed values with the stored profiles; prints an error if these cannot be read."""
    try:
        stored, home = run(read_stored_needs(settings, access, workload))
    except ProfilerError as error:
        print_error(f"cannot read the stored profiles: {error}")
        _print_closing(out)
        return
    for resource in Resource:
        computed = [explanation for explanation in explanations if explanation.resource is resource]
        out.print()
        if resource not in stored:
            out.print(f"Stored: no {resource.value} profile in namespace {home}")
        else:
            for sentence in _comparison(stored[resource], computed, settings.risk):
                out.print(sentence)
            if left_out := stored[resource].unreadable:
                print_error(f"{stored[resource].name}: {left_out} unreadable entries of its status left out")


def _comparison(stored: ProfileNeed, computed: list[Explanation], risk: RiskLevel) -> Iterable[str]:
    value, total = need(stored.resource, stored.value), shown_sum(computed) if computed else ""
    unchanged = f", unchanged since {format_time(stored.updated_at)}" if stored.updated_at else ""
    yield f"Stored, {RESOURCE_NAMES[stored.resource]}: {value} ({stored.name}{unchanged})"
    yield f"  Computed: {total}" if computed else "  Computed: no value, because no usage was found"
    if stored.explanation:
        yield f"  Its status: {stored.explanation}"
    if not computed or value == total:
        return
    yield "  Possible reasons for the difference:"
    yield from (f"  - {reason}" for reason in difference_reasons(stored, computed, risk))
    yield (
        "  - Stabilization: a stored value stays until a change saves more than"
        f" {computed[0].rule.min_saving:.0%} of cost, and falls at most once a day."
    )


def _sentences(explanation: Explanation, scale: BoundScale) -> Iterable[str]:
    yield from _basis(explanation)
    yield from _choice(explanation)
    resource, chosen = explanation.resource, explanation.chosen
    yield (
        f"On these days, weighted by recency, {amount(resource, chosen.value)} has the risk"
        f" {_risk(resource, chosen.risk)}. {_meaning_of_cost(explanation)}"
    )
    yield f"Risk predicted for the next day: {_risk(resource, explanation.expected)}."
    if explanation.at_most is not None:
        yield (
            f"Upper bound for nine of ten days: {_risk(resource, explanation.at_most)}, calibrated with past"
            f" predictions for {_count(scale.workloads, 'workload')} (the profiler uses up to"
            f" {SAMPLED_WORKLOADS} workloads of the whole cluster)."
        )


def _basis(explanation: Explanation) -> Iterable[str]:
    """The sentences about the samples and the days."""
    days = explanation.days
    first, last = format_day(days[0].day), format_day(days[-1].day)
    dates = first if first == last else f"{first} to {last}"
    replicas = (
        "one replica" if explanation.replicas == 1 else f"at most {explanation.replicas} replicas at a time"
    )
    today = format_day(explanation.today)
    yield (
        f"{explanation.samples} samples of {replicas} in the {_count(explanation.history_days, 'UTC day')}"
        f" up to {today}. The value is chosen from {_count(len(days), 'UTC day')} ({dates}), with samples for"
        f" {sum(day.coverage for day in days):.1f} days."
    )
    if explanation.today_counts and days[-1].day < explanation.today:
        yield f"{today}, the current day, has no samples."
    elif explanation.today_counts:
        yield (
            f"{today}, the current day, is included: less than one day of history precedes it, or its usage"
            " outgrew the value of the days before."
        )
    else:
        yield (
            f"{today} is the current day: it counts when the next day begins, or as soon as its usage"
            " outgrows the value of the days before."
        )


def _choice(explanation: Explanation) -> Iterable[str]:
    """The sentences about the value of least cost and the siblings."""
    subject = "Without siblings, the value would be" if explanation.siblings else "The value is"
    base = amount(explanation.resource, explanation.base.value)
    # Smaller raises than 0.05 % are not shown.
    raised = (
        f", raised by {explanation.short_past:.1%} because the past is short"
        if explanation.short_past > 0.0005
        else ""
    )
    yield f"{subject} the one of least cost on these days: {base}{raised}."
    if explanation.siblings:
        yield (
            f"The value is the median of {explanation.siblings.count} siblings (the same container in other"
            " namespaces, with at least one day of history), because that is higher."
        )


def _meaning_of_cost(explanation: Explanation) -> str:
    price = explanation.rule.price
    if explanation.resource is Resource.CPU:
        return (
            f"Its cost is the value plus {1 + price:g} times the mean use above it: a core that is missing"
            f" costs as much as {price:g} idle ones. So usage may exceed a value for {1 / (1 + price):.1%} of"
            " the time."
        )
    return (
        f"Its cost is the value plus, for the chance that a day's maximum exceeds it and the share by which,"
        f" {price:g} times the largest of the maxima."
    )


def _risk(resource: Resource, risk: float) -> str:
    if resource is Resource.CPU:
        return f"{risk:.2%} of the time above the value"
    return f"{risk:.2%} chance that the daily maximum exceeds the value"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"  {first}", no_wrap=True)
    for title in others:
        table.add_column(title, justify="right", overflow="fold")
    return table


def _days_table(explanation: Explanation) -> Table:
    table = _table("DAY", "COVERAGE", "P50", "P95", "P98.5", "MAXIMUM", "WEIGHT")
    for day in explanation.days:
        amounts = (amount(explanation.resource, quantile) for quantile in day.quantiles)
        table.add_row(f"  {format_day(day.day)}", f"{day.coverage:.0%}", *amounts, f"{day.weight:.3f}")
    return table


def _policies_table(explanation: Explanation) -> Table:
    table = _table("POLICY", "VALUE", "RISK", "COST")
    for name, value in explanation.others.items():
        table.add_row(f"  {name}", *_cells(explanation.resource, value))
    return table


def _cells(resource: Resource, value: PricedValue) -> tuple[str, str, str]:
    return amount(resource, value.value), f"{value.risk:.2%}", amount(resource, value.cost)


def _chart(usage: Usage, workload: Workload, explanations: list[Explanation]) -> Spec:
    """The past usage of each container, with the current value of each policy as a line."""
    panels = []
    for explanation in explanations:
        resource, container = explanation.resource, explanation.container
        values = {name: np.full(usage.days, other.value) for name, other in explanation.others.items()}
        title = f"{container.container}: {RESOURCE_NAMES[resource]}"
        samples = samples_of(usage, resource, usage.containers.index(container))
        panels.append(PolicyPanel(title, resource, samples, daily_changes(usage, values)))
    return containers(f"{workload}: past usage, and the current value of each policy", usage, panels)

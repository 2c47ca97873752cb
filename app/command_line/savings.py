"""`job-profiler savings`: what is requested and not needed, and what is needed and not requested.

From the stored profiles of one or more clusters, from Prometheus, or from a history file.
"""

import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from app.command_line.clusters import ClusterContexts
from app.command_line.computed_figures import computed_figures
from app.command_line.printout import OutputFormat
from app.command_line.savings_report import SavingsOptions, savings_printout
from app.command_line.stored_figures import prices_of, read_stored_figures, with_prices
from app.command_line.terminal import print_error, print_out, run
from app.decisions.figures import WorkloadFigures
from app.decisions.savings import Ignored, Prices, Savings, SortKey, savings
from app.decisions.scaling_targets import HorizontalAutoscaler
from app.domain.profiles import Resource, RiskLevel
from app.domain.workloads import Workload
from app.errors import SettingsError
from app.rightsizing.governors import Governor
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat


@dataclass(frozen=True, slots=True)
class SavingsQuestion:
    """The options of the command."""

    output: OutputFormat
    sort: SortKey | None = None
    top: int = 0
    ignore: tuple[str, ...] = ()
    fail_over: float | None = None
    history: Path | None = None
    from_prometheus: bool = False
    risk: RiskLevel | None = None


def save_and_print(settings: Settings, clusters: ClusterContexts, question: SavingsQuestion) -> None:
    """Prints the savings; exits with code 1 if more than the allowed share of requests is not needed."""
    configure_logs("warning", LogFormat.CONSOLE)
    if question.top < 0:
        raise SettingsError([f"--top is {question.top}: use 1 or more; 0 shows all"])
    if question.from_prometheus or question.history:
        if len(clusters.contexts) > 1:
            raise SettingsError(
                ["several --context need stored profiles: leave out --prometheus-url and --history"]
            )
        computed = run(computed_figures(settings, clusters.access, question.history))
        read = _Read(settings, list(computed.figures), list(computed.notes))
        source = str(question.history or settings.prometheus_base_url)
        if not question.history:
            read.notes.append("Autoscalers are not looked up without stored profiles.")
    else:
        read = run(_stored(settings, clusters, question.risk))
        source = "stored profiles"
    prices = prices_of(read.settings)
    options = SavingsOptions(_order(question.sort, prices), prices, question.top, read.notes, source)
    found = savings(read.figures, read.governors, Ignored(question.ignore), read.scaling)
    print_out(savings_printout(found, options), question.output)
    if question.fail_over is not None:
        _fail_over(found, question.fail_over)


def _order(wanted: SortKey | None, prices: Prices) -> SortKey:
    """The order that is asked for; by default by price, or by CPU without prices."""
    if wanted is None:
        return SortKey.MONEY if prices.are_given else SortKey.CPU
    if wanted is SortKey.MONEY and not prices.are_given:
        raise SettingsError(["--sort money needs a price: set --cpu-price or --memory-price"])
    return wanted


@dataclass(slots=True)
class _Read:
    """The figures and autoscalers of all clusters, and notes.

    The settings have the prices of the first release that has any, unless they are given.
    """

    settings: Settings
    figures: list[WorkloadFigures] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    governors: dict[tuple[str, Workload], Sequence[Governor]] = field(default_factory=dict)
    scaling: dict[tuple[str, Workload], Sequence[HorizontalAutoscaler]] = field(default_factory=dict)


async def _stored(settings: Settings, clusters: ClusterContexts, risk: RiskLevel | None) -> _Read:
    """What is read from stored profiles and the objects beside them."""
    read = _Read(settings)
    async with aclosing(clusters.opened(settings)) as opened:
        async for name, objects in opened:
            read.settings = with_prices(read.settings, objects)
            stored = await read_stored_figures(objects, risk, name)
            read.figures += stored.figures
            read.governors |= {(name, workload): several for workload, several in stored.governors.items()}
            read.scaling |= {(name, workload): several for workload, several in stored.scaling.items()}
            read.notes += [f"{name}: {note}" if name else note for note in objects.notes]
    return read


def _fail_over(found: Savings, percent: float) -> None:
    """Exits with code 1 if more than *percent* of the requested cores or bytes are not needed."""
    totals = found.total().totals
    shares = {
        resource: float(totals[resource].over_share) * 100 for resource in Resource if resource in totals
    }
    above = [f"{resource} {value:.1f} %" for resource, value in shares.items() if value > percent]
    if above:
        print_error(f"job-profiler: not needed of the requests: {', '.join(above)}, over {percent:g} %")
        sys.exit(1)

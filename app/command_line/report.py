"""`job-profiler report`: the pages of the dashboard as one file."""

import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import typer

from app.command_line.cluster_access import ClusterAccess
from app.command_line.dashboard import draw, open_facts
from app.command_line.output_files import check_output_file, writing
from app.command_line.terminal import print_error, run
from app.command_line.usage_input import progress_bar
from app.dashboard.charting import containers_of
from app.dashboard.facts import Facts, Fault, Needs
from app.dashboard.readings import Curves, FactSource, Readings, of_cluster, of_prometheus
from app.dashboard.report import WorkloadDetails, most_to_say, report
from app.domain.workloads import Workload
from app.errors import ProfilerError
from app.runtime.logs import configure_logs
from app.settings.environment import Settings
from app.settings.types import LogFormat


def write_report(settings: Settings, access: ClusterAccess, file: Path, *, history: Path | None) -> None:
    """Writes the file, and prints its size.

    Raises:
        ProfilerError: the profiles can't be read; other parts that can't be are named in the file.
    """
    configure_logs("warning", LogFormat.CONSOLE)
    check_output_file("FILE", file)
    facts, details = run(_read(settings, access, history))
    text = report(facts, details, draw)
    with writing("FILE", file):
        file.write_text(text, encoding="utf-8")
    for fault in facts.faults:
        print_error(f"{fault.subject}: {fault.message}")
    curves = sum(detail.curves is not None for detail in details.values())
    workloads = len(facts.needs.figures) if facts.needs else 0
    typer.echo(f"{file}: {workloads} workloads, {curves} with curves, {file.stat().st_size / 1e6:.1f} MB")


async def _read(
    settings: Settings, access: ClusterAccess, history: Path | None
) -> tuple[Facts, dict[Workload, WorkloadDetails]]:
    async with open_facts(settings, access, history) as source, progress_bar() as bar:
        facts = await Readings(source, time.monotonic).facts(edges=True, health=True, patience_seconds=None)
        if facts.needs is None:
            raise ProfilerError("; ".join(fault.message for fault in facts.faults))
        chosen = most_to_say(facts.needs)
        curves, curves_fault = await _curves(source, facts.needs, chosen)
        details: dict[Workload, WorkloadDetails] = {}
        update = bar.task("planning")
        for workload in chosen:
            fault = None if workload in curves else curves_fault
            details[workload] = await _planned(
                source, facts.needs, workload, WorkloadDetails(curves.get(workload), fault)
            )
            update(len(details), len(chosen))
        return facts, details


async def _curves(
    source: FactSource, needs: Needs, chosen: Sequence[Workload]
) -> tuple[dict[Workload, Curves], Fault | None]:
    """The curves of all, read by namespace until the first fault."""
    found: dict[Workload, Curves] = {}
    ordered = sorted(chosen)
    for _, group in groupby(ordered, key=lambda workload: workload.namespace):
        try:
            found |= await source.curves({one: containers_of(needs, one) for one in group})
        except ProfilerError as error:
            return found, Fault("Usage curve", str(error), *of_prometheus(error))
    return found, None


async def _planned(
    source: FactSource, needs: Needs, workload: Workload, details: WorkloadDetails
) -> WorkloadDetails:
    """The *details* with the patch, or with the reason why there is none."""
    try:
        patch = await source.patch(workload, needs.profiles.get(workload, {}))
    except ProfilerError as error:
        fault = Fault("Patch", str(error), *of_cluster(error))
        return WorkloadDetails(details.curves, details.curves_fault, None, fault)
    return WorkloadDetails(details.curves, details.curves_fault, patch)

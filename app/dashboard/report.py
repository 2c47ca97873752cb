"""All views as one file for a mail or a ticket: it loads nothing, and allows only its own script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from app.dashboard import pages
from app.dashboard.charting import DrawCurve, charts_of
from app.dashboard.connections import edge_rows
from app.dashboard.facts import Facts, Fault, Needs, with_faults
from app.dashboard.links import ReportLinks
from app.dashboard.namespaces import namespace_rows
from app.dashboard.overview import most_at_risk, most_wasteful, overview
from app.dashboard.protection import content_policy, hashed
from app.dashboard.readings import Curves
from app.dashboard.rows import workload_rows
from app.dashboard.workload import PlannedPatch, WorkloadPage, workload_page
from app.domain.profiles import Resource
from app.domain.workloads import Workload

MOST_WORKLOADS = 50
_MOST_EDGES = 500


@dataclass(frozen=True, slots=True)
class WorkloadDetails:
    """What the section of a workload has beside its facts; a fault says why a part is missing."""

    curves: Curves | None = None
    curves_fault: Fault | None = None
    patch: PlannedPatch | None = None
    patch_fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    """The values of the section of one workload."""

    page: WorkloadPage
    charts: pages.Charts
    details: WorkloadDetails


def most_to_say(needs: Needs, count: int = MOST_WORKLOADS) -> list[Workload]:
    """The workloads that get a section of their own, with curves.

    In turns: the next one of the largest waste of CPU, of the largest waste of memory, and of the largest
    risk, as the overview ranks them; then the others by name.
    """
    ranked = [most_wasteful(needs, resource) for resource in Resource]
    ranked.append(most_at_risk(needs, count))
    turns = (one for turn in zip_longest(*ranked) for one in turn if one is not None)
    return list(dict.fromkeys([*turns, *needs.figures]))[:count]


def report(facts: Facts, details: Mapping[Workload, WorkloadDetails], draw: DrawCurve) -> str:
    """The file, with a section for each workload in *details*."""
    links = ReportLinks({workload: number for number, workload in enumerate(details, start=1)})
    style, script = (pages.static(name) for name in (pages.STYLE, pages.SCRIPT))
    edges = facts.edges.edges if facts.edges else ()
    faults = [detail.curves_fault for detail in details.values() if detail.curves_fault]
    return pages.page(
        "report.html",
        "",
        with_faults(facts, faults),
        links,
        policy=content_policy(hashed(style), hashed(script), "'none'"),
        style=style,
        script=script,
        overview=overview(facts, links),
        rows=workload_rows(facts, links),
        edges=edge_rows(edges[:_MOST_EDGES], links),
        edges_total=len(edges),
        namespaces=namespace_rows(facts, links),
        sections=_sections(facts, links, details, draw),
    )


def _sections(
    facts: Facts, links: ReportLinks, details: Mapping[Workload, WorkloadDetails], draw: DrawCurve
) -> Sequence[_Section]:
    needs = facts.needs
    if needs is None:
        return ()
    found = []
    for workload, detail in details.items():
        page = workload_page(facts, needs, links, workload)
        charts = charts_of(page, needs, detail.curves, detail.curves_fault, draw)
        found.append(_Section(page, charts, detail))
    return found

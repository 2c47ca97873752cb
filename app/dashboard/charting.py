"""The curves of a workload as pictures for a page."""

from collections.abc import Callable, Mapping, Sequence

from app.charts.usage_chart import UsageView
from app.dashboard.curves import UsageCurve
from app.dashboard.facts import Fault, Needs
from app.dashboard.pages import Chart, Charts
from app.dashboard.usage_view import usage_view
from app.dashboard.workload import WorkloadPage
from app.domain.profiles import Resource
from app.domain.workloads import Workload

# Draws the usage of one resource of a workload as SVG.
DrawCurve = Callable[[UsageView], str]
_NO_CURVE = "No usage of this workload was found in the last 14 days."


def charts_of(
    page: WorkloadPage,
    needs: Needs,
    curves: Mapping[Resource, UsageCurve] | None,
    fault: Fault | None,
    draw: DrawCurve,
) -> Charts:
    """The curve of each resource as a picture, or why there is none; a *fault* is said on top of the page."""
    charts: dict[Resource, Chart] = {}
    for section in page.sections:
        curve = curves.get(section.resource) if curves else None
        if curve is not None and len(curve.samples.times):
            charts[section.resource] = Chart(draw(usage_view(curve, needs, page.workload)))
        elif fault:
            charts[section.resource] = Chart()
        else:
            charts[section.resource] = Chart(reason=_NO_CURVE)
    return charts


def containers_of(needs: Needs, workload: Workload) -> Sequence[str]:
    """The containers that count in the needs of *workload*."""
    amounts = needs.figures[workload].amounts.values()
    return sorted({container.name for replica in amounts for container in replica.containers})

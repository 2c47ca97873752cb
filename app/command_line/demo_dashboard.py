"""The dashboard of `demo --keep`: the profiles in memory, and the recorded usage."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from app.command_line.computed_figures import ComputedFigures, observe
from app.command_line.dashboard import served
from app.command_line.dashboard_sources import RecordedFacts
from app.command_line.recorded_usage import UsageInput, recorded_usage
from app.dashboard.server import Served
from app.decisions.figures import read_workloads
from app.decisions.observed import with_observed
from app.decisions.savings import Prices
from app.demo.run import Demonstration

_NAME = "demo (emojivoto)"


def served_demo(demonstration: Demonstration) -> AbstractAsyncContextManager[Served]:
    """Serves the pages of *demonstration* on a free port."""

    @asynccontextmanager
    async def open_input() -> AsyncIterator[UsageInput]:
        yield recorded_usage(demonstration.recorded, _NAME)

    async def compute() -> ComputedFigures:
        manifests = list(demonstration.server.profiles.manifests.values())
        async with open_input() as usage:
            figures = with_observed(read_workloads(manifests), await observe(usage))
        return ComputedFigures(figures, [], manifests)

    return served(RecordedFacts(_NAME, Prices(), compute, open_input), port=0)

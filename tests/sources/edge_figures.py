"""The figures of edges as a real Prometheus has them: through the source, the resolution and the history."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app.domain.workloads import Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import ConnectionSamples, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.conftest import PrometheusFactory
from tests.histories.proxies import ProxyHistory
from tests.sources.collecting import only

END = 1_772_373_600  # 2026-03-01 14:00 UTC
LAST = END // 300
HALF_HOUR = StepRange(LAST - 5, LAST)
HOUR = StepRange(LAST - 11, LAST)


class Figures(NamedTuple):
    """Requests and responses per minute, bytes per second both ways, and the steps of the mean."""

    requests: float
    responses: float
    sent: float | None
    received: float | None
    steps: int


def serve(history: ProxyHistory, factory: PrometheusFactory, directory: Path) -> str:
    """The URL of a Prometheus with this history."""
    path = directory / "history.openmetrics"
    history.write(path)
    return factory(path).url


async def samples_of(url: str, mesh: str, steps: StepRange = HALF_HOUR) -> ConnectionSamples:
    """The samples of all edges."""
    async with PrometheusSource(url, scope=Scope(), network_providers=(mesh,)) as source:
        return await only(source.connection_samples(steps))


async def figures(
    url: str,
    mesh: str,
    steps: StepRange = HALF_HOUR,
    pods: Mapping[tuple[str, str], Workload] | None = None,
) -> dict[str, Figures]:
    """The figures of each edge, to three decimals."""
    samples = await samples_of(url, mesh, steps)
    snapshot = ClusterSnapshot(pods or {}, tuple((pods or {}).values()))
    history = ConnectionHistory()
    history.fold(resolve(samples, Attribution(snapshot)))
    return {
        str(mean.connection): Figures(
            round(mean.requests_per_minute, 3),
            round(mean.responses_per_minute, 3),
            _rounded(mean.request_bytes_per_second),
            _rounded(mean.response_bytes_per_second),
            mean.scraped_steps,
        )
        for mean in history.means()
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)

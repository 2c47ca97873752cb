"""The edges of one provider in a real server: through its queries, the resolution and the history."""

from collections.abc import Mapping

from app.domain.connection_providers import NONE, Provider
from app.domain.workloads import Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import ConnectionSamples, DroppedEdges, StepRange
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.resolution import resolve
from app.sources.budgeted_queries import BudgetedQueries
from app.sources.clusters import KnowsPod
from app.sources.connection_queries import ConnectionQueries
from app.sources.connections.conversation import ConnectionProvider
from app.sources.load_meter import LoadMeter
from app.sources.prometheus import DEFAULT_MAX_EDGES, PrometheusSource
from app.sources.queries import Scope
from tests.sources.collecting import only

LARGE_BUDGET = 20_000_000  # samples of a query


async def samples_of(
    url: str,
    provider: ConnectionProvider,
    steps: StepRange,
    *,
    scope: Scope | None = None,
    sample_budget: int = LARGE_BUDGET,
    knows_pod: KnowsPod | None = None,
    max_edges: int = DEFAULT_MAX_EDGES,
) -> ConnectionSamples:
    """The samples of all edges; a small budget splits the queries by namespace.

    Of a server of several clusters, those of the one of which *knows_pod* knows the Pods.
    """
    scope = scope or Scope()
    async with PrometheusSource(url, scope=scope, network_providers=(NONE,)) as source:
        queries = ConnectionQueries(
            BudgetedQueries(source.api, sample_budget=sample_budget, queries_per_cycle=1000),
            (provider,),
            detection=None,
            scope=lambda: scope,
            load_meter=LoadMeter(source.api, knows_pod),
            max_edges=max_edges,
        )
        return await only(queries.samples(steps))


class Collected:
    """The edges of some samples after resolution, by their text."""

    def __init__(
        self,
        samples: ConnectionSamples,
        pods: Mapping[tuple[str, str], Workload],
        *workloads: Workload,
    ) -> None:
        snapshot = ClusterSnapshot(pods, (*pods.values(), *workloads))
        self._resolved = resolve(samples, Attribution(snapshot))
        self.history = ConnectionHistory()
        self.history.fold(self._resolved)

    @property
    def per_minute(self) -> dict[str, tuple[float, float, int]]:
        """Requests and responses per minute to three decimals, and the steps of the mean, of each edge."""
        return {
            str(mean.connection): (
                round(mean.requests_per_minute, 3),
                round(mean.responses_per_minute, 3),
                mean.scraped_steps,
            )
            for mean in self.history.means()
        }

    @property
    def dropped(self) -> DroppedEdges:
        """The edges that were left out."""
        return self._resolved.dropped

    @property
    def sampling(self) -> Mapping[Provider, float]:
        """What the samples state."""
        return self._resolved.sampling

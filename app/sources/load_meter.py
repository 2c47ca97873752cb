"""The samples that a query loads per step and namespace; the server counts them, at most once an hour."""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain

import structlog

from app.domain.dns_names import is_dns_label
from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Resource
from app.errors import RefusedQueryError, TooLargeError
from app.history.samples import STEPS_PER_HOUR, StepRange
from app.sources import queries
from app.sources.cluster_finder import ClusterFinder, LoadQuestion
from app.sources.cluster_labels import unnamed_labels
from app.sources.clusters import KnowsPod
from app.sources.connections.conversation import ConnectionProvider, LabeledQuery
from app.sources.late_counts import LateCounts, with_earlier, without_earlier
from app.sources.planning import SampleLoad
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import Scope
from app.sources.query_result import QueryResult
from app.sources.row_limit import RowLimit

log = structlog.get_logger(__name__)

PLANNING = "planning"
_CONTAINERS = "containers"
_MAX_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class _MeasuredLoad:
    scope: Scope
    step: int
    load: SampleLoad
    scrape_jobs: frozenset[str] = frozenset()
    cores: SampleLoad = field(default_factory=SampleLoad)

    def is_current(self, scope: Scope, step: int) -> bool:
        """True for an hour; for an empty load, only at the same step."""
        age_steps = abs(step - self.step)
        return scope == self.scope and age_steps < (STEPS_PER_HOUR if self.load.samples else 1)


class LoadMeter:
    """Measures the load of container series in *api*, and that of a provider's series in its own server.

    If a load can't be measured, it is a small one for each namespace with containers. The same answers show
    whether the series are of several clusters. Then the load is that of this cluster's; where nothing shows
    which these are, SeveralClustersError is raised. *knows_pod* is the API server's knowledge.
    """

    def __init__(self, api: PrometheusApi, knows_pod: KnowsPod | None = None) -> None:
        self._api = api
        self._clusters = ClusterFinder(knows_pod)
        self._measured: dict[str, _MeasuredLoad] = {}
        self._late: dict[str, LateCounts] = {}
        self._lock = asyncio.Lock()

    @property
    def container_jobs(self) -> Collection[str]:
        """The scrape jobs of the containers' series, as last counted."""
        measured = self._measured.get(_CONTAINERS)
        return measured.scrape_jobs if measured else ()

    @property
    def own_clusters(self) -> Collection[str]:
        """This cluster's label in servers of several, by what their series are of, as last found."""
        found = self._clusters.found.items()
        return [f"{kind}: {own}" for kind, clusters in found for own in clusters if own.others]

    def containers_of_cluster(self, scope: Scope) -> Scope:
        """*scope* within this cluster's series of containers, as last measured."""
        return self._clusters.within(scope, _CONTAINERS)

    def provider_of_cluster(self, scope: Scope, provider: ConnectionProvider, api: PrometheusApi) -> Scope:
        """*scope* within this cluster's series of *provider* in *api*, as last measured."""
        return self._clusters.within(scope, provider.name, _CONTAINERS if api is self._api else "")

    @property
    def late_containers(self) -> Collection[str]:
        """The namespaces with samples of containers that came more than an hour late, as last counted."""
        return self._late[_CONTAINERS].namespaces if _CONTAINERS in self._late else ()

    @property
    def late_providers(self) -> Collection[str]:
        """The same for the samples of connections."""
        late = (counts.namespaces for kind, counts in self._late.items() if kind != _CONTAINERS)
        return tuple(chain.from_iterable(late))

    async def of_containers(
        self, scope: Scope, steps: StepRange, resource: Resource = Resource.MEMORY
    ) -> SampleLoad:
        """The load of a query on one window of *resource* of containers, at the end of *steps*.

        Series of CPU may be one per core; all others of a container are as many as those of memory.
        """
        short, clusters = queries.with_short_names(scope, occurrences=2), unnamed_labels(scope)
        labels = (*queries.CONTAINER_LOAD_LABELS, *clusters)
        query = LabeledQuery(queries.container_load(short, clusters), labels, frozenset(labels[1:]))
        series = queries.cadvisor_selector(queries.MEMORY_USAGE, short)
        question = LoadQuestion(self._api, _CONTAINERS, query, series)
        load = await self._load_or_names(question, scope, steps)
        measured = self._measured.get(_CONTAINERS)
        return (measured.cores if measured and resource is Resource.CPU else load).within(scope)

    async def of_provider(
        self, api: PrometheusApi, provider: ConnectionProvider, scope: Scope, steps: StepRange
    ) -> SampleLoad:
        """The load of a query on the edges of *provider* in *api*, at the end of *steps*."""
        short = queries.with_short_names(scope, occurrences=2)
        query, series = provider.load(short, unnamed_labels(scope)), provider.reporters(short)
        question = LoadQuestion(api, provider.name, query, series, has_pod_labels=True)
        load = await self._load_or_names(question, scope, steps)
        return load.within(NamespaceSelection(excluded=scope.excluded))

    async def _load_or_names(self, question: LoadQuestion, scope: Scope, steps: StepRange) -> SampleLoad:
        end = StepRange(steps.last, steps.last)
        try:
            return await self._load(question, scope, end)
        except (RefusedQueryError, TooLargeError) as error:
            log.debug("load_not_measured", of=question.kind, error=str(error))
            short = queries.with_short_names(self.containers_of_cluster(scope), occurrences=1)
            selector = queries.container_selector(queries.MEMORY_USAGE, short)
            names = await self._api.label_values("namespace", selector, end)
            return SampleLoad(dict.fromkeys(filter(is_dns_label, names or scope.included or ()), 1.0))

    async def _load(self, question: LoadQuestion, scope: Scope, end: StepRange) -> SampleLoad:
        """The load at the step *end*; the last known one if the server refuses the query.

        Raises:
            RefusedQueryError, TooLargeError: the server refuses it, and none was measured before.
        """
        kind, labels = question.kind, question.query.labels
        async with self._lock:
            measured = self._measured.get(kind)
            if measured and measured.is_current(scope, end.last):
                return measured.load
            try:
                result = await self._counts(question, scope, end)
            except (RefusedQueryError, TooLargeError):
                if measured is None:
                    raise
                return measured.load
            await self._clusters.find(question, result.keys, scope, end)
            load, cores, jobs = _load_of(self._clusters.of_cluster(kind, result, labels), labels)
            self._measured[kind] = _MeasuredLoad(scope, end.last, load, jobs, cores)
            return load

    async def _counts(self, question: LoadQuestion, scope: Scope, end: StepRange) -> QueryResult:
        """The counts of the step *end*; those of an older one are noted, if they are due."""
        kind, query = question.kind, question.query
        late = self._late.setdefault(kind, LateCounts())
        earlier_step = late.earlier_step(scope, end.last)
        if not earlier_step:
            return await _ask(question.api, query, end)
        try:
            result = await _ask(question.api, with_earlier(query, end.last - earlier_step), end)
        except (RefusedQueryError, TooLargeError):
            late.refuse(scope, end.last)
            return await _ask(question.api, query, end)
        newest, earlier = without_earlier(result)
        namespaces = scope if kind == _CONTAINERS else NamespaceSelection(excluded=scope.excluded)
        parts = (self._clusters.of_cluster(kind, part, query.labels) for part in (earlier, newest))
        loads = (_load_of(part, query.labels)[0].within(namespaces) for part in parts)
        late.note(scope, (earlier_step, end.last), *(load.samples for load in loads))
        return newest


async def _ask(api: PrometheusApi, query: LabeledQuery, end: StepRange) -> QueryResult:
    limit = RowLimit(_MAX_ROWS)
    return await api.query_range(query.query, query.labels, end, query.optional, signal=PLANNING, limit=limit)


def _load_of(result: QueryResult, labels: Sequence[str]) -> tuple[SampleLoad, SampleLoad, frozenset[str]]:
    """The load by namespace, that of single cores, and the scrape jobs if the series have them."""
    counts, of_cores = Counter[str](), Counter[str]()
    jobs: set[str] = set()
    for (namespace, *others), count in zip(result.keys, result.samples.tolist(), strict=True):
        if count > 0 and is_dns_label(namespace):
            values = dict(zip(labels[1:], others, strict=True))
            (of_cores if values.get(queries.LOAD_OF) else counts)[namespace] += count
            jobs |= {values["job"]} if "job" in values else set()
    return SampleLoad(counts), SampleLoad({**counts, **of_cores}), frozenset(jobs)

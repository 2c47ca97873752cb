"""NetObserv, OBI and Beyla: agents that see the packets of every Pod, and count bytes between workloads.

They need no mesh, and know no requests: each of their edges is one of TCP. A collector (an agent, or the
pipeline that agents send flows to) reports on the Pods of whole nodes: those in trusted namespaces are
believed on every edge, any other on edges of its own namespace.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from app.domain.connection_providers import Provider
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.connections.conversation import Conversation, LabeledQuery, QueryBatch, packed
from app.sources.connections.edges import EdgeRates, add, combine, join_connections
from app.sources.connections.flow_answers import (
    FlowAnswers,
    client_of,
    client_scrapes,
    edge_rates,
    end_key,
    end_naming,
    server_of,
)
from app.sources.connections.flow_metrics import DEFAULT_COLLECTOR_NAMESPACES, FlowMetric
from app.sources.connections.flow_queries import FlowQueries
from app.sources.connections.scrapers import LONGEST_SCRAPER_LABELS, repeated_targets, scraper_labels
from app.sources.queries import Scope, Shard, equal_matchers
from app.sources.query_result import SeriesMatrix

# In the steps of one query, of which each takes 70 characters in several places.
_MOST_BEGINNINGS = 8

_UNSCRAPED = "flows are of no scraped target, so that nothing shows whose they are"
_UNKNOWN_SAMPLING = "no series shows of how many packets agents look at one: bytes are those of these alone"


@dataclass(frozen=True, slots=True)
class NetworkFlows:
    """The bytes of one metric of flows; *collectors* are the trusted namespaces of what reports it."""

    metric: FlowMetric
    collectors: Collection[str] = DEFAULT_COLLECTOR_NAMESPACES

    @property
    def name(self) -> str:
        """The name in settings."""
        [name] = self.identity.names
        return name

    @property
    def identity(self) -> Provider:
        """Which of the providers this is."""
        return self.metric.provider

    @property
    def metrics(self) -> tuple[str, ...]:
        """The one metric."""
        return (self.metric.metric,)

    def load(self, scope: Scope, clusters: Sequence[str] = ()) -> LabeledQuery:
        """Each third of a step is compared with the one before."""
        return FlowQueries(self.metric, scope, Shard()).load(tuple(clusters))

    def reporters(self, scope: Scope) -> str:
        """The flows, with the namespaces and Pods of the collectors."""
        return FlowQueries(self.metric, scope, Shard()).reporters()

    def longest_query(self, scope: Scope, shard: Shard) -> int:
        """That of the flows of collectors that are scraped twice, by jobs with names of usual length."""
        targets = equal_matchers("job", ["a" * 40, "b" * 40])
        queries = FlowQueries(self.metric, scope, shard, targets, LONGEST_SCRAPER_LABELS)
        return max(len(each.query) for each in queries.of_edges)

    def conversation(self, scope: Scope, steps: StepRange, shard: Shard) -> Conversation:
        """Reads the scrape jobs of collectors; if there are any, the flows, and who sent some before."""
        queries = FlowQueries(self.metric, scope, shard)
        jobs, several, unscraped, untyped, *agents = yield (self._jobs_batch(queries, steps),)
        unseen = [_UNSCRAPED] if unscraped.keys else []
        unseen += [f"flows have no label {self.metric.source[1]}"] if untyped.keys else []
        nothing = SeriesMatrix((), np.empty((0, len(steps))))
        beginnings: dict[str, list[int]] = {job: [] for (job,) in jobs.keys}
        if np.isnan(jobs.values).any():  # of flows of these namespaces, perhaps not of all
            [jobs_of_all] = yield (_batch_since_the_step_before(steps, queries.jobs_of_all()),)
            beginnings = _beginnings(jobs_of_all, steps)
        if not beginnings:
            rates = EdgeRates(nothing, nothing, nothing, nothing, unseen=self._words(unseen))
            return join_connections(rates, nothing, end_naming(()), scope=scope, steps=steps)

        queries = replace(
            queries,
            targets=equal_matchers("job", beginnings) if all(beginnings) else (),
            beginnings=tuple((job, time) for job, times in beginnings.items() for time in times),
        )
        if several.keys:
            targets = ('pod!=""', *queries.targets)
            [repeated] = yield (QueryBatch((repeated_targets(targets, scope),), steps, is_of_pods=True),)
            queries = replace(queries, scraper_labels=scraper_labels(repeated.keys))
        before = StepRange(steps.first - 1, steps.first - 1)
        # The two largest queries are apart, so that each ends in time.
        senders, *edges = yield (
            QueryBatch((queries.clients(self.collectors),), before, is_of_pods=True),
            *packed((queries.rates(queries.from_sources), *queries.of_steps), steps),
            *(QueryBatch((rates,), steps) for rates in queries.to_other_sources),
        )

        replies = [edges.pop() for _ in queries.to_other_sources]
        scrapes = edges.pop()
        sampling = edges.pop() if self.metric.sampling else nothing
        of_agents = _only_row(agents, 1 + len(steps))[1:]
        answers = FlowAnswers(reduce(partial(combine, add), [*edges, *replies]), sampling, of_agents)
        if self.metric.agent_sampling and not answers.is_sampling_known:
            unseen.append(_UNKNOWN_SAMPLING)
        rates = edge_rates(answers, self.metric, self.collectors, shard, scope.mesh_cluster)
        rates = replace(rates, unseen=self._words(unseen))
        edge_keys = {*rates.request_bytes.keys, *rates.response_bytes.keys}
        clients = dict.fromkeys((*map(end_key, senders.keys), *sorted(map(client_of, edge_keys))))
        naming = end_naming((*clients, *map(server_of, edge_keys)))
        client_rows = client_scrapes(clients, scrapes, self.collectors)
        samples = join_connections(rates, client_rows, naming, scope=scope, steps=steps)
        return replace(samples, sampling={self.identity: answers.ratio} if answers.ratio > 1 else {})

    def _jobs_batch(self, queries: FlowQueries, steps: StepRange) -> QueryBatch:
        """The queries on scrape jobs, on what can't be counted, and on the sampling of all agents.

        They are on the step before *steps*, too: what is there does not begin in the first one.
        """
        parts = (queries.jobs(), queries.several_targets(), queries.unscraped(), queries.untyped())
        agents = (queries.agent_sampling(self.collectors),) if self.metric.agent_sampling else ()
        return _batch_since_the_step_before(steps, *parts, *agents)

    def _words(self, unseen: Sequence[str]) -> str:
        return f"{self.metric.metric}: {'; '.join(unseen)}" if unseen else ""


def _batch_since_the_step_before(steps: StepRange, *parts: LabeledQuery) -> QueryBatch:
    return QueryBatch(parts, StepRange(steps.first - 1, steps.last), is_of_pods=True)


def _beginnings(jobs: SeriesMatrix, steps: StepRange) -> dict[str, list[int]]:
    """The ends of the steps in which each of *jobs* begins; without jobs that begin again and again.

    The first column is that of the step before *steps*.
    """
    is_there = np.isfinite(jobs.values)
    begins = is_there[:, 1:] & ~is_there[:, :-1]
    of_jobs = {
        job: [(steps.first + int(column)) * STEP_SECONDS for column in np.flatnonzero(row)]
        for (job,), row in zip(jobs.keys, begins, strict=True)
    }
    return {job: times for job, times in of_jobs.items() if len(times) <= _MOST_BEGINNINGS}


def _only_row(answers: Sequence[SeriesMatrix], steps: int) -> NDArray[np.float64]:
    """The values of the only series of the only answer; NaN without one."""
    rows = [row for answer in answers for row in answer.values]
    return rows[0] if rows else np.full(steps, np.nan)

"""Queries on one server, within the samples that it loads for one query and in one cycle."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from app.errors import SourceError
from app.history.samples import StepRange
from app.sources.chunked_query import ChunkedQuery, RunQuery
from app.sources.planning import QueryPlanner, SampleLoad
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import MAX_QUERY_CHARACTERS, Shard

T = TypeVar("T")


class BudgetedQueries:
    """Splits the queries on the server of *api*: *sample_budget* samples each, *queries_per_cycle* of these.

    The limits that one server shows say little about another, so each has a planner of its own.
    """

    def __init__(self, api: PrometheusApi, *, sample_budget: int, queries_per_cycle: float) -> None:
        self.api = api
        self.samples_per_cycle = sample_budget * queries_per_cycle
        self._planner = QueryPlanner(sample_budget)

    def chunked(
        self, signal: str, run: RunQuery[T], load: SampleLoad, longest_text: Callable[[Shard], int]
    ) -> ChunkedQuery[T]:
        """The query *run* in chunks; an error that is the query's own is a RefusedQueryError.

        Shards are small enough for *longest_text*, the number of characters of the longest query on a shard.
        """

        async def narrowed(shard: Shard, chunk: StepRange) -> T:
            try:
                return await run(shard, chunk)
            except SourceError as error:
                raise await self.api.narrowed(error, chunk) from error

        return ChunkedQuery(
            self._planner,
            load,
            narrowed,
            partial(self.api.observer.record_split, signal),
            lambda shard: longest_text(shard) <= MAX_QUERY_CHARACTERS,
        )

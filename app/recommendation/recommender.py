"""Recommendations for all workloads, from the usage history."""

from app.domain.profiles import PRESSURES_OF, Resource
from app.history.usage import UsageState
from app.recommendation.active_containers import EVERY_CONTAINER, ContainerChecks
from app.recommendation.policy import EstimationPolicy
from app.recommendation.pressure import pressure_raises
from app.recommendation.resource_recommender import (
    FindPublishedValue,
    RecommendationRequest,
    Recommendations,
    ResourceRecommender,
)
from app.recommendation.series_table import SeriesTable


class Recommender:
    """One recommender per resource over one set of series; its state is a cache of derived data."""

    def __init__(self, usage: UsageState) -> None:
        self._usage = usage
        self._table = SeriesTable({})
        self._recommenders = {
            resource: ResourceRecommender(resource, histograms)
            for resource, histograms in usage.histograms.items()
        }

    def recommend(
        self,
        resource: Resource,
        policy: EstimationPolicy,
        *,
        newest_step: int,
        checks: ContainerChecks = EVERY_CONTAINER,
        find_published: FindPublishedValue = lambda _workload: None,
    ) -> Recommendations:
        """The profiles that are new, have moved or are due as of *newest_step*.

        Samples of steps that have not settled count too. Init containers, and containers that few Pods have
        beside those of the template, are left out of the value and of the list of containers.
        """
        if not self._table.matches(self._usage.series.index):
            self._table = SeriesTable(self._usage.series.index)
        histograms = self._usage.histograms[resource].with_open_samples()
        pressure = {kind: self._usage.pressure[kind].with_open_samples() for kind in PRESSURES_OF[resource]}
        request = RecommendationRequest(
            histograms,
            policy,
            newest_step,
            checks,
            find_published,
            self._usage.has_run_again,
            self._usage.together,
            pressure_raises(resource, histograms, pressure, policy.raises, newest_step),
        )
        return self._recommenders[resource].recommend(self._table, request)

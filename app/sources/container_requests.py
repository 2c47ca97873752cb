"""Current resource requests of containers, from kube-state-metrics."""

from collections.abc import Mapping

from app.domain.profiles import Resource
from app.history.samples import PodContainer, StepRange
from app.sources.exported_labels import ObjectSeries, by_object
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import CONTAINER_LABELS, CONTAINER_REQUESTS, WINDOW, Scope
from app.sources.state_reporter import StateReporter


def container_requests(resource: Resource, scope: Scope) -> str:
    """The query on requests in cores or bytes.

    kube-state-metrics may run more than once, hence the maximum over the duplicates of a container.
    """

    def requests(series: ObjectSeries) -> str:
        selector = series.selector(CONTAINER_REQUESTS, f'resource="{resource.value}"')
        return series.max_by(CONTAINER_LABELS, f"max_over_time({selector}[{WINDOW}])")

    return by_object(CONTAINER_LABELS, requests, CONTAINER_REQUESTS, scope, window=WINDOW)


class PrometheusRequests:
    """Requests of the containers in *scope*; none if kube-state-metrics is not scraped."""

    def __init__(self, api: PrometheusApi, scope: Scope) -> None:
        self._api, self._scope, self._reporter = api, scope, StateReporter(api)

    async def container_requests(self, step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """The requests of the containers that ran at *step*; raises SourceError."""
        requests: dict[PodContainer, dict[Resource, float]] = {}
        scope = await self._reporter.within(self._scope, step)
        for resource in Resource:
            query, end = container_requests(resource, scope), StepRange(step, step)
            result = await self._api.query_range(query, CONTAINER_LABELS, end, signal="requests")
            for row, amount in zip(result.rows, result.samples, strict=True):
                requests.setdefault(PodContainer(*result.keys[row]), {})[resource] = float(amount)
        return requests

"""What containers ask for now, as kube-state-metrics tells it."""

from collections.abc import Mapping

from app.domain.profiles import Resource
from app.history.samples import PodContainer, StepRange
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import CONTAINER_LABELS, WINDOW, Scope, aggregate, of_containers

REQUESTS = "kube_pod_container_resource_requests"


def container_requests(resource: Resource, scope: Scope) -> str:
    """Cores or bytes; kube-state-metrics may run more than once, hence the maximum over the duplicates."""
    asked = of_containers(REQUESTS, scope, f'resource="{resource.value}"')
    return aggregate("max", CONTAINER_LABELS, f"max_over_time({asked}[{WINDOW}])")


class PrometheusRequests:
    """Requests of the containers in *scope*; nothing where kube-state-metrics is not scraped."""

    def __init__(self, api: PrometheusApi, scope: Scope) -> None:
        self._api, self._scope = api, scope

    async def container_requests(self, step: int) -> Mapping[PodContainer, Mapping[Resource, float]]:
        """Of those that ran at *step*; raises SourceError."""
        found: dict[PodContainer, dict[Resource, float]] = {}
        for resource in Resource:
            query, at = container_requests(resource, self._scope), StepRange(step, step)
            told = await self._api.query_range(query, CONTAINER_LABELS, at, signal="requests")
            for row, amount in zip(told.rows, told.samples, strict=True):
                found.setdefault(PodContainer(*told.keys[row]), {})[resource] = float(amount)
        return found

"""The search for Prometheus among the Services of a cluster: the first that answers with container series."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from app.errors import SourceError
from app.kubernetes.prometheus_services import ListedServices, PrometheusService
from app.sources.prometheus_api import PrometheusApi
from app.sources.server_check import container_fault, counts_connections

OpenApi = Callable[[PrometheusService], AbstractAsyncContextManager[PrometheusApi]]
# Services of one namespace that are asked, at most: each may take until the time-out.
_MAX_ASKED = 20
SECONDS_PER_SERVER = 10.0


@dataclass(frozen=True, slots=True)
class FoundServers:
    """The server with the containers' series, and the one that counts connections if it is another.

    `lacks_connections` is true if connections are wanted and no server has any.
    """

    containers: PrometheusService
    connections: PrometheusService | None = None
    lacks_connections: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Search:
    """Lists the Services, opens a client of one, and knows the newest complete step."""

    services: Callable[[], Awaitable[ListedServices]]
    open_api: OpenApi
    newest_step: Callable[[], int]
    wants_connections: bool = True

    async def run(self, before: FoundServers | None = None) -> FoundServers:
        """The servers; those found *before* stay as long as they answer.

        Raises:
            SourceError: no server answers with container series; the text has the reason of each.
        """
        listed = await self.services()
        candidates = listed.services[:_MAX_ASKED]
        chosen, faults = await self._containers(_first(candidates, before.containers if before else None))
        if chosen is None:
            raise SourceError("NoPrometheus", _nothing_found(listed, faults))
        rest = [service for service in candidates if service != chosen]
        rest = _first(rest, before.connections if before else None)
        mesh = await self._with_connections((chosen, *rest)) if self.wants_connections else None
        return FoundServers(
            chosen,
            connections=None if mesh == chosen else mesh,
            lacks_connections=self.wants_connections and mesh is None,
        )

    async def _containers(
        self, candidates: Sequence[PrometheusService]
    ) -> tuple[PrometheusService | None, dict[str, str]]:
        faults: dict[str, str] = {}
        for service in candidates:
            async with self.open_api(service) as api:
                fault = await container_fault(api, self.newest_step())
            if not fault:
                return service, faults
            faults[service.url] = fault
        return None, faults

    async def _with_connections(self, candidates: Sequence[PrometheusService]) -> PrometheusService | None:
        """The first server with series of a provider of connections."""
        for service in candidates:
            async with self.open_api(service) as api:
                if await counts_connections(api, self.newest_step()):
                    return service
        return None


def _first(
    candidates: Iterable[PrometheusService], preferred: PrometheusService | None
) -> list[PrometheusService]:
    return sorted(candidates, key=lambda service: service != preferred)


def _nothing_found(listed: ListedServices, faults: dict[str, str]) -> str:
    """The sentence for the status: what was asked, what could not be listed, what to do."""
    remedy = "set PROMETHEUS_URL (prometheus.url of the chart)"
    refused = f"; Services can't be listed in {', '.join(listed.refusals)}" if listed.refusals else ""
    if not faults:
        return f"no Service has the labels of a known Prometheus{refused}: {remedy}"
    reasons = "; ".join(f"{url}: {fault}" for url, fault in faults.items())
    return f"none of the servers that were found can be used ({reasons}){refused}: {remedy}"

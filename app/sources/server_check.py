"""Whether a server answers, and has the series that profiles need; for the choice of a server."""

from app.domain.connection_providers import Provider
from app.errors import SourceError
from app.history.samples import StepRange
from app.sources.connections import linkerd
from app.sources.connections.providers import supported_providers
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import CPU_USAGE
from app.sources.row_limit import RowLimit

_CONTAINERS = f'count({CPU_USAGE}{{container!=""}})'
_CHECKED_STEPS = 6  # half an hour: longer than a restart of the server that scrapes
_SIGNAL = "search"


async def container_fault(api: PrometheusApi, newest_step: int) -> str:
    """Why the server can't be used for containers; empty if it can."""
    try:
        has_series = await _has_any(api, _CONTAINERS, newest_step)
    except SourceError as error:
        return str(error)
    return "" if has_series else "it has no container series of the last half hour"


async def counts_connections(api: PrometheusApi, newest_step: int) -> bool:
    """True if the server has series of a provider of connections."""
    try:
        return await _has_any(api, _any_provider(), newest_step)
    except SourceError:
        return False


def _any_provider() -> str:
    """The query on all providers; other programs, too, have metrics of the names that Linkerd's have."""
    names = {provider.identity: "|".join(provider.metrics) for provider in supported_providers()}
    of_linkerd = ",".join((f'__name__=~"{names.pop(Provider.LINKERD)}"', *linkerd.OUTBOUND))
    return f'count({{__name__=~"{"|".join(names.values())}"}}) or count({{{of_linkerd}}})'


async def _has_any(api: PrometheusApi, query: str, newest_step: int) -> bool:
    steps = StepRange(newest_step - _CHECKED_STEPS + 1, newest_step)
    result = await api.query_range(query, (), steps, signal=_SIGNAL, limit=RowLimit(1))
    return len(result.samples) > 0

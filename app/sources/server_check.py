"""Whether a server answers, and has the series that profiles need; for the choice of a server."""

from app.errors import SourceError
from app.history.samples import StepRange
from app.sources.connections import istio, linkerd
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import CPU_USAGE
from app.sources.row_limit import RowLimit

_CONTAINERS = f'count({CPU_USAGE}{{container!=""}})'
# Linkerd's and Istio's, of requests and of bytes alone.
_MESH = (
    f'count({{__name__=~"{istio.REQUESTS}|{istio.TCP_SENT_BYTES}"}})'
    f' or count({{__name__=~"{linkerd.REQUESTS}|{linkerd.WRITTEN_BYTES}",{",".join(linkerd.OUTBOUND)}}})'
)
_CHECKED_STEPS = 6  # half an hour: longer than a restart of the server that scrapes
_SIGNAL = "search"


async def container_fault(api: PrometheusApi, newest_step: int) -> str:
    """Why the server can't be used for containers; empty if it can."""
    try:
        has_series = await _has_any(api, _CONTAINERS, newest_step)
    except SourceError as error:
        return str(error)
    return "" if has_series else "it has no container series of the last half hour"


async def has_mesh(api: PrometheusApi, newest_step: int) -> bool:
    """True if the server has a service mesh's series."""
    try:
        return await _has_any(api, _MESH, newest_step)
    except SourceError:
        return False


async def _has_any(api: PrometheusApi, query: str, newest_step: int) -> bool:
    steps = StepRange(newest_step - _CHECKED_STEPS + 1, newest_step)
    result = await api.query_range(query, (), steps, signal=_SIGNAL, limit=RowLimit(1))
    return len(result.samples) > 0

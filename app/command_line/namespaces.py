"""The namespaces that a command is asked for: those that do not exist, as far as its user may know."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from app.command_line.nearest import nearest, nearest_names
from app.domain.untyped import text_in
from app.errors import ForbiddenError, NotFoundError, ProfilerError
from app.kubernetes import paths
from app.kubernetes.list_options import ListOptions
from app.settings.environment import Settings

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient


def asked_namespaces(settings: Settings) -> list[str]:
    """The namespaces in scope, and those of the release and of its profiles if they are given."""
    of_release = {"own_namespace": settings.own_namespace, "profiles_namespace": settings.profiles_namespace}
    given = [name for field, name in of_release.items() if field in settings.model_fields_set]
    return list(dict.fromkeys(filter(None, (*settings.profiling_namespace, *given))))


async def missing_namespaces(client: "ClusterClient", names: Iterable[str]) -> list[str]:
    """Those of *names* that do not exist; none that the user may not see."""
    return [name for name in names if not await _may_exist(client, name)]


async def require_namespaces(client: "ClusterClient", names: Iterable[str]) -> None:
    """Raises ProfilerError if the user may know that one of *names* does not exist."""
    if missing := await missing_namespaces(client, names):
        raise ProfilerError(await absence(client, missing))


async def absence(client: "ClusterClient", missing: Sequence[str]) -> str:
    """The sentence that the *missing* namespaces do not exist, with the nearest names of others."""
    present = await _listed(client) or set()
    near = [found for name in missing for found in nearest(name, present)]
    if len(missing) == 1:
        return f"namespace {missing[0]} does not exist{nearest_names(near)}"
    return f"namespaces {', '.join(missing)} do not exist{nearest_names(near)}"


async def _may_exist(client: "ClusterClient", name: str) -> bool:
    try:
        await client.get(paths.namespace(name))
    except NotFoundError:
        return False
    except ForbiddenError:
        present = await _listed(client)
        return present is None or name in present
    return True


async def _listed(client: "ClusterClient") -> set[str] | None:
    """The names of all namespaces; None if the user may not list them."""
    try:
        listing = await client.list_all(ListOptions(paths.namespaces(), may_be_cached=True))
    except (ForbiddenError, NotFoundError):
        return None
    return {text_in(item["metadata"].get("name")) for item in listing.items}

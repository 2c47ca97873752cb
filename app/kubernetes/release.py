"""The installed release: its namespace, and the settings of its profiler's Deployment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.domain.untyped import list_in, mapping_in, text_in
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.list_options import ListOptions

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient

_LABELS = "app.kubernetes.io/part-of=job-profiler"
_ROLES_WITH_PROFILER = frozenset({"profiler", "combined"})


@dataclass(frozen=True, slots=True)
class Release:
    """A namespace, and the variables with a value of their own, such as no reference to a Secret."""

    namespace: str
    variables: Mapping[str, str]


async def installed_releases(client: "ClusterClient", namespaces: Iterable[str]) -> Sequence[Release]:
    """The releases of the cluster; for a user who may not list all Deployments, those in *namespaces*."""
    try:
        return await _releases(client, None)
    except (ForbiddenError, NotFoundError):
        found: list[Release] = []
        for namespace in dict.fromkeys(filter(None, namespaces)):
            try:
                found += await _releases(client, namespace)
            except (ForbiddenError, NotFoundError):
                continue
        return found


async def _releases(client: "ClusterClient", namespace: str | None) -> list[Release]:
    selection = ListOptions(paths.deployments(namespace), label_selector=_LABELS, may_be_cached=True)
    listing = await client.list_all(selection)
    releases = (_release(deployment) for deployment in listing.items)
    return [release for release in releases if release.variables.get("ROLE") in _ROLES_WITH_PROFILER]


def _release(deployment: Mapping[str, Any]) -> Release:
    spec = mapping_in(mapping_in(mapping_in(deployment.get("spec")).get("template")).get("spec"))
    variables = {
        text_in(variable.get("name")): value
        for container in map(mapping_in, list_in(spec.get("containers")))
        for variable in map(mapping_in, list_in(container.get("env")))
        if isinstance(value := variable.get("value"), str)
    }
    return Release(text_in(mapping_in(deployment.get("metadata")).get("namespace")), variables)

"""The settings of the installed webhook: a command that decides as it does uses the same bounds."""

from app.domain.untyped import list_in, mapping_in, text_in
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.settings.environment import Settings, read_settings

_LABELS = "app.kubernetes.io/part-of=job-profiler"
_ROLES = frozenset({"webhook", "combined"})
DECIDING = tuple(
    name for name in Settings.model_fields if name.startswith("scheduling_") or name == "excluded_namespaces"
)


async def with_webhook_settings(client: ClusterClient, settings: Settings, namespace: str) -> Settings:
    """The *settings*, with those of the webhook's Deployment in *namespace* in the place of defaults.

    Without the right to read it, or without one, the settings stay.
    """
    try:
        listing = await client.list_all(ListOptions(paths.deployments(namespace), label_selector=_LABELS))
    except (ForbiddenError, NotFoundError):
        return settings
    found = next((each for each in map(_variables, listing.items) if each.get("ROLE") in _ROLES), {})
    given = settings.model_dump()
    installed = {
        name: found[name.upper()]
        for name in DECIDING
        if name.upper() in found and given[name] == Settings.model_fields[name].default
    }
    return read_settings(given | installed) if installed else settings


def _variables(deployment: Object) -> dict[str, str]:
    """The environment variables of the Pods of a Deployment that have a value of their own."""
    spec = mapping_in(mapping_in(mapping_in(deployment.get("spec")).get("template")).get("spec"))
    return {
        text_in(variable.get("name")): value
        for container in map(mapping_in, list_in(spec.get("containers")))
        for variable in map(mapping_in, list_in(container.get("env")))
        if isinstance(value := variable.get("value"), str)
    }

"""Finds KRR's enforcer: a mutating webhook of another product that sets requests of new Pods, too."""

from typing import TYPE_CHECKING

from app.domain.untyped import mapping_in, text_in
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.list_options import ListOptions, Object

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient

# Its chart calls the configuration RELEASE-krr-enforcer, and labels it as this component.
_NAME, _COMPONENT = "krr-enforcer", "app.kubernetes.io/component"


async def krr_enforcers(client: "ClusterClient") -> tuple[str, ...]:
    """The names of its MutatingWebhookConfigurations; none for a user who may not list such objects."""
    selection = ListOptions(paths.MUTATING_WEBHOOKS, metadata_only=True, may_be_cached=True)
    try:
        listing = await client.list_all(selection)
    except (ForbiddenError, NotFoundError):
        return ()
    return tuple(sorted(name for item in listing.items if (name := _enforcer(item))))


def _enforcer(item: Object) -> str:
    """The name of *item* if it is the enforcer's, else an empty text."""
    metadata = mapping_in(item.get("metadata"))
    name, labels = text_in(metadata.get("name")), mapping_in(metadata.get("labels"))
    return name if name.endswith(_NAME) or labels.get(_COMPONENT) == _NAME else ""

"""Watch of the metadata of namespaces: of a policy in annotations, and of labels for VerticalPodAutoscalers.

The watch is of all namespaces, or of each listed one by its name, because the account has no right to watch
others. Labels can't narrow it: an annotation can't be selected, and a namespace without labels that decide on
VerticalPodAutoscalers is known, while one that was never seen changes nothing.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import msgspec

from app.domain.annotations import vpa_labels
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicySource
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.object_types import LeftOut, readable
from app.kubernetes.reflector import Reflector, run_reflectors
from app.profiler.registries.namespace_metadata import NamespaceMetadata, NamespaceMetadataRegistry


class NamespaceMetadataWatches:
    """Keeps `registry` in sync while `run` runs."""

    def __init__(self, client: ClusterClient, namespaces: Collection[str]) -> None:
        self.registry = NamespaceMetadataRegistry()
        self.reflectors = [
            Reflector(
                client, selection, self.registry.new_receiver(selection.namespace), transform=_read_namespace
            )
            for selection in _selections(namespaces)
        ]

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)


async def list_namespace_metadata(
    client: ClusterClient, namespaces: Collection[str], report: Callable[[str], None]
) -> NamespaceMetadataRegistry:
    """The metadata now, from one list per selection.

    Namespaces that may not be listed are not known; *report* gets a sentence on them.
    """
    registry = NamespaceMetadataRegistry()
    for selection in _selections(namespaces):
        receiver = registry.new_receiver(selection.namespace)
        left_out, found = LeftOut(selection), list[NamespaceMetadata]()
        try:
            async for page in client.pages(selection, msgspec.Raw):
                if page.is_first:
                    found.clear()
                    left_out.clear()
                found += readable(page.items, _read_namespace, left_out.add)
        except (ForbiddenError, NotFoundError) as error:
            report(f"Namespaces can't be listed, so their annotations don't count: {error}")
        else:
            receiver.replace(found)
            left_out.log()
    return registry


def _selections(namespaces: Collection[str]) -> Iterator[ListOptions]:
    of_all = ListOptions(paths.namespaces(), metadata_only=True)
    if not namespaces:
        yield of_all
    for name in namespaces:
        yield replace(of_all, field_selector=f"metadata.name={name}")


def _read_namespace(manifest: Object) -> NamespaceMetadata:
    metadata = manifest["metadata"]
    policy = read_policy(metadata.get("annotations") or {}, PolicySource.NAMESPACE)
    return NamespaceMetadata(metadata["name"], policy, vpa_labels(metadata.get("labels") or {}))

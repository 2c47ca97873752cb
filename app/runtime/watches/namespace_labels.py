"""Watch of the labels of namespaces that decide on VerticalPodAutoscalers.

The namespaces without such labels are watched, too: one that is not known changes nothing.
"""

from collections.abc import Collection
from dataclasses import replace

from app.domain.annotations import vpa_labels
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector, run_reflectors
from app.profiler.registries.namespace_labels import LabelledNamespace, NamespaceLabels


class NamespaceLabelWatches:
    """Keeps `registry` in sync while `run` runs; listed *namespaces* are watched by their names."""

    def __init__(self, client: ClusterClient, namespaces: Collection[str]) -> None:
        self.registry = NamespaceLabels()
        of_all = ListOptions(paths.namespaces(), metadata_only=True)
        by_name = [replace(of_all, field_selector=f"metadata.name={name}") for name in namespaces]
        self.reflectors = [
            Reflector(client, selection, self.registry.new_receiver(), transform=read_labels)
            for selection in by_name or [of_all]
        ]

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)


def read_labels(manifest: Object) -> LabelledNamespace:
    """The labels in a Namespace's metadata, for `Reflector.transform`."""
    metadata = manifest["metadata"]
    return LabelledNamespace(metadata["name"], vpa_labels(metadata.get("labels") or {}))

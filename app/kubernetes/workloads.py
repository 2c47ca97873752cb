"""What runs: Pods with the workload that each belongs to, and Deployments, from their metadata alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from app.domain.annotations import is_ours
from app.domain.workloads import Owner, Workload, owner_workload
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.selections import Selection

T = TypeVar("T")


class _OwnerReference(msgspec.Struct):
    kind: str
    name: str
    controller: bool = False


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str
    creation_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[_OwnerReference] = []


class _Partial(msgspec.Struct):
    """All that is decoded of a PartialObjectMetadata."""

    metadata: _Metadata


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod; its annotations are only those that the profiler owns. Not to be changed: Pods share them."""

    namespace: str
    name: str
    workload: Workload | None
    created_at: str
    annotations: Mapping[str, str]


class Workloads:
    """Reads the whole cluster, or only the *namespaces* that are given."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._namespaces: Sequence[str | None] = namespaces or (None,)

    async def pods(self) -> list[PodRecord]:
        """Every Pod, each once."""
        return await self._collect(paths.pods, _PodReader().record)

    async def deployments(self) -> list[Workload]:
        """Every Deployment."""
        return await self._collect(paths.deployments, _deployment)

    async def _collect(self, path: Callable[[str | None], str], convert: Callable[[_Partial], T]) -> list[T]:
        collected: list[T] = []
        for namespace in self._namespaces:
            listed: list[T] = []
            selection = Selection(path(namespace), metadata_only=True)
            async for page in self._client.pages(selection, _Partial):
                if page.is_first:
                    listed.clear()
                listed += map(convert, page.items)
            collected += listed
        return collected


class _PodReader:
    """Makes records that share what the Pods of one workload have in common."""

    def __init__(self) -> None:
        self._workloads: dict[Workload, Workload] = {}
        self._annotations: dict[frozenset[tuple[str, str]], Mapping[str, str]] = {}

    def record(self, pod: _Partial) -> PodRecord:
        metadata = pod.metadata
        owner = next((Owner(one.kind, one.name) for one in metadata.owner_references if one.controller), None)
        workload = owner_workload(metadata.namespace, owner, metadata.labels)
        if workload is not None:
            workload = self._workloads.setdefault(workload, workload)
        ours = {key: value for key, value in metadata.annotations.items() if is_ours(key)}
        return PodRecord(
            workload.namespace if workload else metadata.namespace,
            metadata.name,
            workload,
            metadata.creation_timestamp,
            self._annotations.setdefault(frozenset(ours.items()), ours),
        )


def _deployment(partial: _Partial) -> Workload:
    return Workload(partial.metadata.namespace, partial.metadata.name)

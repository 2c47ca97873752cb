"""What runs: Pods, the workload that each belongs to, and who made a Job, from their metadata alone."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from app.domain.annotations import foreign_bytes, is_ours, opted_out
from app.domain.pods import PodRecord
from app.domain.workloads import CRON_JOB, JOB, Owner, Workload, owner_workload
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.selections import Object, Selection

T = TypeVar("T")

# Set by a kubelet on the Pod that stands for a file of its node.
_MIRROR = "kubernetes.io/config.mirror"
_MOST_SHARED = 100_000

_LASTING_PATHS = {
    "Deployment": paths.deployments,
    "StatefulSet": paths.stateful_sets,
    "DaemonSet": paths.daemon_sets,
}


class _OwnerReference(msgspec.Struct):
    kind: str
    name: str
    controller: bool = False


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str
    uid: str = ""
    creation_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[_OwnerReference] = []


class _Partial(msgspec.Struct):
    """All that is decoded of a PartialObjectMetadata."""

    metadata: _Metadata


class Workloads:
    """Reads the whole cluster, or only the *namespaces* that are given."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._namespaces: Sequence[str | None] = namespaces or (None,)

    async def pods(self) -> list[PodRecord]:
        """Every Pod, each once."""
        return await self._collect(paths.pods, PodReader().record)

    async def lasting(self) -> list[Workload]:
        """Every Deployment, StatefulSet and DaemonSet."""
        found: list[Workload] = []
        for kind, path in _LASTING_PATHS.items():
            found += await self._collect(path, partial(_workload, kind))
        return found

    async def cron_jobs(self) -> dict[Workload, Workload]:
        """The CronJob of every Job that one made."""
        owned = await self._collect(paths.jobs, _job_and_owner)
        return {job: owner for job, owner in owned if owner is not None and owner.kind == CRON_JOB}

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


class PodReader:
    """Makes records that share what the Pods of one workload have in common."""

    def __init__(self) -> None:
        self._shared: dict[Any, Any] = {}

    def read(self, manifest: Object) -> PodRecord:
        """The record of a Pod's metadata as a watch tells it, for `Reflector.keep`."""
        return self.record(msgspec.convert(manifest, _Partial))

    def record(self, pod: _Partial) -> PodRecord:
        """The record of a Pod's metadata."""
        metadata = pod.metadata
        workload = _owner(metadata)
        ours = {key: value for key, value in metadata.annotations.items() if is_ours(key)}
        return PodRecord(
            namespace=self._share(metadata.namespace, metadata.namespace),
            name=metadata.name,
            uid=metadata.uid,
            created_at=metadata.creation_timestamp,
            workload=self._share(workload, workload),
            annotations=self._share(frozenset(ours.items()), ours),
            foreign_bytes=foreign_bytes(metadata.annotations),
            is_exempt=opted_out(metadata.labels) or _MIRROR in metadata.annotations,
        )

    def _share(self, key: Hashable, value: T) -> T:
        """The value that was met first under *key*; what is forgotten is shared anew from then on."""
        if len(self._shared) > _MOST_SHARED:
            self._shared.clear()
        shared: T = self._shared.setdefault(key, value)
        return shared


def _workload(kind: str, found: _Partial) -> Workload:
    return Workload(found.metadata.namespace, found.metadata.name, kind)


def _job_and_owner(found: _Partial) -> tuple[Workload, Workload | None]:
    return _workload(JOB, found), _owner(found.metadata)


def _owner(metadata: _Metadata) -> Workload | None:
    owner = next((Owner(one.kind, one.name) for one in metadata.owner_references if one.controller), None)
    return owner_workload(metadata.namespace, owner, metadata.labels)

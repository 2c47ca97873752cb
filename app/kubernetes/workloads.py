"""What runs: Pods and the workload that each belongs to, workloads, and who made a Job.

Metadata tells all of it but the init containers, which stand in the Pod template of a workload.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from app.domain.annotations import foreign_bytes, is_mirror, is_ours, opted_out
from app.domain.container_roles import init_containers
from app.domain.pod_record import PodRecord
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB, JOB, Owner, Workload, bare_pod, owner_workload
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object

T = TypeVar("T")
Item = TypeVar("Item")

_MOST_SHARED = 100_000

_PATHS = {
    "Deployment": paths.deployments,
    "StatefulSet": paths.stateful_sets,
    "DaemonSet": paths.daemon_sets,
    JOB: paths.jobs,
}
# The kinds that tell who runs, each in a version that every cluster serves.
WORKLOAD_KINDS = tuple(_PATHS)


class _OwnerReference(msgspec.Struct):
    kind: str
    name: str
    controller: bool = False


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str
    generate_name: str = ""
    uid: str = ""
    creation_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[_OwnerReference] = []


class _Partial(msgspec.Struct):
    """All that is decoded of a PartialObjectMetadata."""

    metadata: _Metadata


class _Container(msgspec.Struct, rename="camel"):
    name: str
    restart_policy: str = ""


class _PodSpec(msgspec.Struct, rename="camel", frozen=True):
    init_containers: list[_Container] = []


class _Template(msgspec.Struct, frozen=True):
    spec: _PodSpec = _PodSpec()


class _JobSpec(msgspec.Struct, frozen=True):
    template: _Template = _Template()


class _JobTemplate(msgspec.Struct, frozen=True):
    spec: _JobSpec = _JobSpec()


class _Spec(msgspec.Struct, rename="camel", frozen=True):
    template: _Template | None = None
    job_template: _JobTemplate = _JobTemplate()  # of a CronJob


class _Whole(msgspec.Struct):
    """All that is decoded of a workload."""

    metadata: _Metadata
    spec: _Spec = _Spec()


class WorkloadClient:
    """Reads the whole cluster, or only the *namespaces* that are given."""

    def __init__(self, client: ClusterClient, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._namespaces: Sequence[str | None] = namespaces or (None,)

    async def pods(self) -> list[PodRecord]:
        """Every Pod, each once."""
        return await self._collect(_pods, _Partial, PodReader().record)

    async def records(self) -> list[WorkloadRecord]:
        """Every Deployment, StatefulSet, DaemonSet and Job."""
        found: list[WorkloadRecord] = []
        for kind in WORKLOAD_KINDS:
            selection = partial(workload_selection, kind)
            found += await self._collect(selection, _Whole, WorkloadReader(kind).record)
        return found

    async def _collect(
        self,
        selection: Callable[[str | None], ListOptions],
        item_type: type[Item],
        convert: Callable[[Item], T],
    ) -> list[T]:
        collected: list[T] = []
        for namespace in self._namespaces:
            listed: list[T] = []
            async for page in self._client.pages(selection(namespace), item_type):
                if page.is_first:
                    listed.clear()
                listed += map(convert, page.items)
            collected += listed
        return collected


def _pods(namespace: str | None) -> ListOptions:
    return ListOptions(paths.pods(namespace), metadata_only=True)


def workload_selection(kind: str, namespace: str | None) -> ListOptions:
    """The objects of one of `WORKLOAD_KINDS`, whole: their Pod template is wanted."""
    return ListOptions(_PATHS[kind](namespace))


async def served_cron_jobs(client: ClusterClient) -> Callable[[str | None], ListOptions]:
    """What selects CronJobs of one namespace, or of all, in the version that this API server serves.

    Raises:
        ClusterError: it did not tell.
    """
    resources = (await client.get(paths.batch())).get("resources") or ()
    beta = all(resource.get("name") != "cronjobs" for resource in resources)
    return lambda namespace: ListOptions(paths.cron_jobs(namespace, beta=beta))


class _Shared:
    """Equal values that many records hold, each of them once."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, value: T) -> T:
        """The value that was met first under *key*; what is forgotten is shared anew from then on."""
        if len(self._values) > _MOST_SHARED:
            self._values.clear()
        shared: T = self._values.setdefault(key, value)
        return shared


class WorkloadReader:
    """Makes records of the objects of one kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._share = _Shared()

    def read(self, manifest: Object) -> WorkloadRecord:
        """The record of an object as a watch tells it, for `Reflector.keep`."""
        return self.record(msgspec.convert(manifest, _Whole))

    def record(self, found: _Whole) -> WorkloadRecord:
        """The record of an object."""
        metadata, template = found.metadata, found.spec.template or found.spec.job_template.spec.template
        owner = _owner(metadata)
        declared = ((each.name, each.restart_policy) for each in template.spec.init_containers)
        containers = init_containers(declared)
        return WorkloadRecord(
            Workload(self._share(metadata.namespace, metadata.namespace), metadata.name, self._kind),
            metadata.uid,
            cron_job=self._share(owner, owner) if owner and owner.kind == CRON_JOB else None,
            init_containers=self._share(containers, containers),
        )


class PodReader:
    """Makes records that share what the Pods of one workload have in common."""

    def __init__(self) -> None:
        self._share = _Shared()

    def read(self, manifest: Object) -> PodRecord:
        """The record of a Pod's metadata as a watch tells it, for `Reflector.keep`."""
        return self.record(msgspec.convert(manifest, _Partial))

    def record(self, pod: _Partial) -> PodRecord:
        """The record of a Pod's metadata."""
        metadata = pod.metadata
        workload = _owner(metadata) or bare_pod(metadata.namespace, metadata.name, metadata.generate_name)
        ours = {key: value for key, value in metadata.annotations.items() if is_ours(key)}
        return PodRecord(
            namespace=self._share(metadata.namespace, metadata.namespace),
            name=metadata.name,
            uid=metadata.uid,
            created_at=metadata.creation_timestamp,
            workload=self._share(workload, workload),
            annotations=self._share(frozenset(ours.items()), ours),
            foreign_bytes=foreign_bytes(metadata.annotations),
            is_exempt=opted_out(metadata.labels) or is_mirror(metadata.annotations),
        )


def _owner(metadata: _Metadata) -> Workload | None:
    for reference in metadata.owner_references:
        if reference.controller:
            owner = Owner(reference.kind, reference.name)
            return owner_workload(metadata.namespace, owner, metadata.labels)
    return None

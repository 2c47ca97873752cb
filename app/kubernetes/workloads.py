"""Workloads, and the Pods with the workload of each; for Jobs, the CronJob that created them.

All of it is in the metadata, except for the init containers, which are in the workload's Pod template.
"""

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from sys import intern
from typing import Any, TypeVar

import msgspec

from app.domain.annotations import REQUESTS, foreign_bytes, is_mirror, is_ours, opted_out, vpa_labels
from app.domain.container_roles import template_containers
from app.domain.pod_record import PodRecord
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicySource
from app.domain.profiles import Resource
from app.domain.quantities import parse_time
from app.domain.template_amounts import TemplateAmounts, template_amounts
from app.domain.untyped import mapping_in
from app.domain.workload_policy import NO_POLICY
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB, JOB, POD, Owner, Workload, bare_pod, owner_workload
from app.errors import ClusterError, ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.object_types import LeftOut, readable

T = TypeVar("T")

_MAX_INTERNED_VALUES = 100_000
_LIST_KEY = re.compile(r'k:\{"name":"([a-z0-9-]+)"\}')

_PATHS = {
    "Deployment": paths.deployments,
    "StatefulSet": paths.stateful_sets,
    "DaemonSet": paths.daemon_sets,
    JOB: paths.jobs,
}
# The kinds that own Pods, each in an API version that every supported cluster serves.
WORKLOAD_KINDS = tuple(_PATHS)


class _OwnerReference(msgspec.Struct):
    kind: str
    name: str
    controller: bool = False


class _FieldManager(msgspec.Struct):
    """Who wrote fields through which subresource (empty for the object itself), and which fields."""

    subresource: str = ""
    fields: Any = msgspec.field(default=None, name="fieldsV1")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str
    generate_name: str = ""
    uid: str = ""
    creation_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[_OwnerReference] = []
    managed_fields: list[_FieldManager] = []


class _Partial(msgspec.Struct):
    """The decoded part of a PartialObjectMetadata."""

    metadata: _Metadata


class _Container(msgspec.Struct, rename="camel"):
    name: str
    restart_policy: str = ""
    resources: Any = None


class _PodSpec(msgspec.Struct, rename="camel", frozen=True):
    init_containers: list[_Container] = []
    containers: list[_Container] = []
    resources: Any = None


class _Template(msgspec.Struct, frozen=True):
    metadata: Any = None
    spec: _PodSpec = _PodSpec()


class _JobSpec(msgspec.Struct, frozen=True):
    template: _Template = _Template()


class _JobTemplate(msgspec.Struct, frozen=True):
    spec: _JobSpec = _JobSpec()


class _Spec(msgspec.Struct, rename="camel", frozen=True):
    replicas: int | None = None
    template: _Template | None = None
    job_template: _JobTemplate = _JobTemplate()  # of a CronJob


class _Status(msgspec.Struct, rename="camel", frozen=True):
    ready_replicas: int = 0
    number_ready: int = 0  # of a DaemonSet
    desired_number_scheduled: int | None = None  # of a DaemonSet


class _WorkloadObject(msgspec.Struct):
    """The decoded part of a workload."""

    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class WorkloadClient:
    """Lists Pods and workloads of *namespaces*, or of the whole cluster.

    `unread` are the kinds that could not be listed, each with a namespace or the empty one for all; *report*
    gets a sentence on each.
    """

    def __init__(
        self,
        client: ClusterClient,
        namespaces: Sequence[str] = (),
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client, self._report = client, report
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self.unread: frozenset[tuple[str, str]] = frozenset()

    async def pods(self) -> list[PodRecord]:
        """All Pods; raises ClusterError if they can be listed in no namespace."""
        pods, faults = await self._collect(POD, _pods, PodDecoder().decode)
        if len(faults) == len(self._namespaces):
            raise faults[0]
        self._report_faults(POD, faults)
        return pods

    async def records(self) -> list[WorkloadRecord]:
        """All Deployments, StatefulSets, DaemonSets and Jobs that can be listed."""
        all_records: list[WorkloadRecord] = []
        for kind in WORKLOAD_KINDS:
            selection = partial(workload_selection, kind)
            records, faults = await self._collect(kind, selection, WorkloadDecoder(kind).decode)
            self._report_faults(kind, faults)
            all_records += records
        return all_records

    def _report_faults(self, kind: str, faults: Sequence[ClusterError]) -> None:
        for fault in faults:
            self._report(f"{kind}s can't be listed: {fault}")

    async def _collect(
        self, kind: str, selection: Callable[[str | None], ListOptions], convert: Callable[[Object], T]
    ) -> tuple[list[T], list[ClusterError]]:
        """The records of all namespaces, and the error of each namespace in which they can't be listed."""
        all_records: list[T] = []
        faults: list[ClusterError] = []
        for namespace in self._namespaces:
            try:
                all_records += await self._list(selection(namespace), convert)
            except (ForbiddenError, NotFoundError) as error:
                self.unread |= {(kind, namespace or "")}
                faults.append(error)
        return all_records, faults

    async def _list(self, selection: ListOptions, convert: Callable[[Object], T]) -> list[T]:
        records: list[T] = []
        left_out = LeftOut(selection)
        async for page in self._client.pages(selection, msgspec.Raw):
            if page.is_first:
                records.clear()
                left_out.clear()
            records += readable(page.items, convert, left_out.add)
        left_out.log()
        return records


def _pods(namespace: str | None) -> ListOptions:
    return ListOptions(paths.pods(namespace), metadata_only=True)


def workload_selection(kind: str, namespace: str | None) -> ListOptions:
    """The list options for one of `WORKLOAD_KINDS`: whole objects, because the Pod template is needed."""
    return ListOptions(_PATHS[kind](namespace))


def cron_job_selections(namespace: str | None) -> tuple[ListOptions, ListOptions]:
    """The list options for CronJobs in the two versions of their API; an API server serves one of them."""
    return ListOptions(paths.cron_jobs(namespace)), ListOptions(paths.cron_jobs(namespace, beta=True))


class _Interner:
    """Shares equal values among records, to save memory."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, value: T) -> T:
        """The first value with *key*; the table is emptied when it is full."""
        if len(self._values) > _MAX_INTERNED_VALUES:
            self._values.clear()
        interned: T = self._values.setdefault(key, value)
        return interned


class WorkloadDecoder:
    """Converts workloads of one kind to records."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._intern = _Interner()

    def decode(self, manifest: Object) -> WorkloadRecord:
        """The record of a manifest, for `Reflector.transform`."""
        return self.to_record(msgspec.convert(manifest, _WorkloadObject))

    def to_record(self, workload: _WorkloadObject) -> WorkloadRecord:
        """The record of a workload."""
        metadata, spec = workload.metadata, workload.spec
        template = spec.template or spec.job_template.spec.template
        owner = _owner(metadata)
        containers = template_containers(
            ((container.name, container.restart_policy) for container in template.spec.init_containers),
            (container.name for container in template.spec.containers),
        )
        amounts = _template_amounts(template.spec, containers.sidecars)
        template_metadata = mapping_in(template.metadata)
        labels = vpa_labels(mapping_in(template_metadata.get("labels")))
        template_annotations = mapping_in(template_metadata.get("annotations"))
        policy = read_policy(template_annotations, PolicySource.TEMPLATE).over(
            read_policy(metadata.annotations, PolicySource.WORKLOAD)
        )
        return WorkloadRecord(
            Workload(self._intern(metadata.namespace, metadata.namespace), metadata.name, self._kind),
            metadata.uid,
            cron_job=self._intern(owner, owner) if owner and owner.kind == CRON_JOB else None,
            template=self._intern(containers, containers),
            ready_replicas=workload.status.ready_replicas or workload.status.number_ready,
            desired_replicas=workload.status.desired_number_scheduled
            if spec.replicas is None
            else spec.replicas,
            amounts=self._intern(amounts, amounts),
            policy=self._intern(policy, policy) if policy is not NO_POLICY else NO_POLICY,
            vpa_labels=self._intern(labels, labels),
        )


def _template_amounts(spec: _PodSpec, sidecars: Collection[str]) -> TemplateAmounts:
    """The amounts of the containers that run for long: *sidecars* count, and other init containers do not."""
    long_running = [container for container in spec.init_containers if container.name in sidecars]
    containers = (
        (container.name, *_requests_and_limits(container.resources))
        for container in (*long_running, *spec.containers)
    )
    return template_amounts(containers, *_requests_and_limits(spec.resources))


def _requests_and_limits(resources: object) -> tuple[dict[str, str], dict[str, str]]:
    """CPU and memory as texts; a field that is not of the schema's type counts as absent."""
    requests, limits = (mapping_in(mapping_in(resources).get(key)) for key in ("requests", "limits"))
    return _texts(requests), _texts(limits)


def _texts(quantities: Mapping[str, Any]) -> dict[str, str]:
    known = ((resource.value, quantities.get(resource.value)) for resource in Resource)
    return {name: str(quantity) for name, quantity in known if isinstance(quantity, str | int | float)}


class PodDecoder:
    """Converts Pods to records, which share the values that the Pods of a workload have in common."""

    def __init__(self) -> None:
        self._intern = _Interner()

    def decode(self, manifest: Object) -> PodRecord:
        """The record of a Pod's manifest, for `Reflector.transform`."""
        return self.to_record(msgspec.convert(manifest, _Partial))

    def to_record(self, pod: _Partial) -> PodRecord:
        """The record of a Pod's metadata."""
        metadata = pod.metadata
        workload = _owner(metadata) or bare_pod(metadata.namespace, metadata.name, metadata.generate_name)
        ours = {intern(key): intern(value) for key, value in metadata.annotations.items() if is_ours(key)}
        created_at = parse_time(metadata.creation_timestamp)
        return PodRecord(
            namespace=self._intern(metadata.namespace, metadata.namespace),
            name=intern(metadata.name),  # the answers on its usage have it too
            uid=metadata.uid,
            created_at_seconds=int(created_at.timestamp()) if created_at else 0,
            workload=self._intern(workload, workload),
            annotations=self._shared(ours),
            foreign_bytes=foreign_bytes(metadata.annotations),
            is_exempt=opted_out(metadata.labels) or is_mirror(metadata.annotations),
            outdated_summary=REQUESTS in metadata.annotations and _was_resized(metadata),
            ephemeral_containers=_ephemeral_containers(metadata),
        )

    def _shared(self, annotations: dict[str, str]) -> dict[str, str]:
        """The first mapping that equals *annotations*; a set of them as its key would be the larger part."""
        first = self._intern(hash(frozenset(annotations.items())), annotations)
        return first if first == annotations else annotations


def _was_resized(metadata: _Metadata) -> bool:
    """True if a client changed the Pod's resources after its creation, through the subresource `resize`."""
    return any(manager.subresource == "resize" for manager in metadata.managed_fields)


def _ephemeral_containers(metadata: _Metadata) -> tuple[str, ...]:
    """The names of the containers that `kubectl debug` added to the Pod (Kubernetes 1.22 and newer).

    A Pod's metadata shows them by the fields that were written through their subresource, as keys such as
    `k:{"name":"debugger-x7k2p"}`.
    """
    names = set()
    for manager in metadata.managed_fields:
        if manager.subresource == "ephemeralcontainers":
            containers = _field(_field(manager.fields, "f:spec"), "f:ephemeralContainers")
            names |= {match[1] for match in map(_LIST_KEY.fullmatch, containers) if match}
    return tuple(sorted(names))


def _field(fields: object, name: str) -> dict[str, Any]:
    """The fields below *name*; empty if there is none."""
    below = fields.get(name) if isinstance(fields, dict) else None
    return below if isinstance(below, dict) else {}


def _owner(metadata: _Metadata) -> Workload | None:
    for reference in metadata.owner_references:
        if reference.controller:
            owner = Owner(reference.kind, reference.name)
            return owner_workload(metadata.namespace, owner, metadata.labels)
    return None

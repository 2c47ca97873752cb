"""The objects of a cluster on which decisions rest, each listed once, from the API server's memory.

What may not be listed, or is not served, is empty, and a note says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from app.decisions.autoscalers import governors_of
from app.decisions.scaling_targets import Autoscalers, read_autoscalers
from app.decisions.templates import WorkloadObject, is_controlled, is_finished, workload_object
from app.domain.annotations import Labels, vpa_labels
from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import CRON_JOB, JOB, Workload
from app.errors import ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.workloads import WORKLOAD_KINDS, WorkloadDecoder, cron_job_selections, workload_selection
from app.rightsizing.governors import Governor
from app.task_group import task_group

NEEDS = (ProfileKind.CPU, ProfileKind.MEMORY)
Paths = Callable[[str | None], str]


@dataclass(slots=True)
class ClusterObjects:
    """Lists of one cluster, in *namespaces* or in all of them; `notes` are sentences on what is missing.

    `missing_namespaces` are those of *namespaces* that do not exist.
    The installed release runs in `own_namespace`; `variables` are those of its profiler, as far as they have
    a value of their own. `if_refused` says in a note what holds of objects that may not be listed.
    """

    client: ClusterClient
    profiles_home: str
    own_namespace: str
    namespaces: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    if_refused: str = "don't count"
    missing_namespaces: frozenset[str] = frozenset()

    async def profiles(self, kinds: Iterable[ProfileKind] = NEEDS) -> dict[ProfileKind, list[Object]]:
        """All profiles of *kinds*, each with its kind; raises ClusterError if they can't be listed."""

        async def listed(kind: ProfileKind) -> list[Object]:
            resource = KINDS[kind]
            listing = await self.client.list_all(
                ListOptions(paths.profiles(resource.plural, self.profiles_home), may_be_cached=True)
            )
            return [item | {"kind": resource.kind} for item in listing.items]

        async with task_group() as tasks:
            found = {kind: tasks.create_task(listed(kind)) for kind in kinds}
        return {kind: task.result() for kind, task in found.items()}

    async def governors(self) -> dict[Workload, Sequence[Governor]]:
        """The autoscalers by workload."""
        async with task_group() as tasks:
            horizontal = tasks.create_task(self.horizontal_autoscalers())
            vertical = tasks.create_task(self.vertical_autoscalers())
        return governors_of(horizontal.result(), vertical.result())

    async def horizontal_autoscalers(self) -> list[Object]:
        """All HorizontalPodAutoscalers."""
        return await self._listed(paths.horizontal_pod_autoscalers, "HorizontalPodAutoscalers")

    async def scaling_targets(self) -> Autoscalers:
        """The HorizontalPodAutoscalers with targets that are shares of requests, in the newest version."""
        for version in paths.SCALING_VERSIONS:
            found: list[Object] = []
            try:
                for namespace in self.namespaces or (None,):
                    with suppress(ForbiddenError):  # a note on the other version says so
                        selection = ListOptions(paths.scaling_targets(version, namespace), may_be_cached=True)
                        found += (await self.client.list_all(selection)).items
            except NotFoundError:
                continue
            return read_autoscalers(found, version)
        return {}

    async def vertical_autoscalers(self) -> list[Object]:
        """All VerticalPodAutoscalers; none where the cluster does not have them."""
        return await self._listed(paths.vertical_pod_autoscalers, "VerticalPodAutoscalers")

    async def namespace_labels(self) -> dict[str, Labels]:
        """The labels of the namespaces that decide on VerticalPodAutoscalers."""
        found: list[Object] = []
        for name in self.namespaces or (None,):
            selector = f"metadata.name={name}" if name else None
            selection = ListOptions(paths.namespaces(), field_selector=selector, metadata_only=True)
            try:
                found += (await self.client.list_all(selection)).items
            except ForbiddenError:
                self._note("Labels of namespaces", None)
        return {one["metadata"]["name"]: vpa_labels(one["metadata"].get("labels") or {}) for one in found}

    async def limit_ranges(self) -> list[Object]:
        """All LimitRanges."""
        return await self._listed(paths.limit_ranges, "LimitRanges")

    async def quotas(self) -> list[Object]:
        """All ResourceQuotas."""
        return await self._listed(paths.resource_quotas, "ResourceQuotas")

    async def workloads(self, kinds: Iterable[str] = (*WORKLOAD_KINDS, CRON_JOB)) -> list[WorkloadObject]:
        """The workloads of *kinds* that create Pods, in order; Jobs of a CronJob are its own.

        Raises:
            ForbiddenError: none of them may be listed: whether there are any is unknown.
        """
        async with task_group() as tasks:
            listings = {kind: tasks.create_task(self._of_kind(kind)) for kind in kinds}
        groups = [group for listing in listings.values() if (group := listing.result()) is not None]
        if not groups and self.notes:
            raise ForbiddenError(self._refusal(listings))
        return sorted((found for group in groups for found in group), key=lambda found: found.workload)

    async def records(self, kinds: Iterable[str]) -> list[WorkloadRecord]:
        """The workloads of *kinds* as the profiler reads them; one that it can't read is left out."""
        found: list[WorkloadRecord] = []
        with suppress(ForbiddenError):  # the notes say so
            for one in await self.workloads(kinds):
                with suppress(msgspec.ValidationError):
                    found.append(WorkloadDecoder(one.workload.kind).decode(dict(one.manifest)))
        return found

    async def _of_kind(self, kind: str) -> list[WorkloadObject] | None:
        """The workloads of *kind*; None if they may be listed nowhere."""
        if kind == CRON_JOB:
            manifests = await self._cron_jobs()
        else:
            manifests = await self._permitted(lambda name: workload_selection(kind, name).path, f"{kind}s")
        if manifests is None:
            return None
        ends = kind == JOB
        left = (one for one in manifests if not ends or not (is_controlled(one) or is_finished(one)))
        found = (workload_object(kind, one) for one in left)
        return [one for one in found if one.workload.namespace]

    async def _cron_jobs(self) -> list[Object] | None:
        """CronJobs, in the version that the API server has; None if they may be listed nowhere."""
        found: list[Object] = []
        is_permitted = False
        for namespace in self.namespaces or (None,):
            for selection in cron_job_selections(namespace):
                try:
                    found += (await self.client.list_all(selection)).items
                    is_permitted = True
                except ForbiddenError:
                    self._note("CronJobs", namespace)
                except NotFoundError:
                    continue
                break
        return found if is_permitted else None

    async def _listed(self, path_of: Paths, name: str) -> list[Object]:
        """All objects of a collection; none where the API server does not have it, or refuses it."""
        return await self._permitted(path_of, name) or []

    async def _permitted(self, path_of: Paths, name: str) -> list[Object] | None:
        """All objects of a collection; None if it may be listed nowhere, or does not exist."""
        found: list[Object] = []
        is_permitted = False
        for namespace in self.namespaces or (None,):
            try:
                selection = ListOptions(path_of(namespace), may_be_cached=True)
                found += (await self.client.list_all(selection)).items
                is_permitted = True
            except NotFoundError:
                return None
            except ForbiddenError:
                self._note(name, namespace)
        return found if is_permitted else None

    def _refusal(self, kinds: Iterable[str]) -> str:
        names = ", ".join(f"{kind}s" for kind in kinds)
        where = f"in {', '.join(self.namespaces)}" if self.namespaces else "of all namespaces"
        return (
            f"can't list {names} {where}: this user has no right to, which Kubernetes' ClusterRole view gives"
        )

    def _note(self, name: str, namespace: str | None) -> None:
        where = f" in namespace {namespace}" if namespace else ""
        self.notes.append(f"{name} {self.if_refused}: this user has no right to list them{where}.")


def in_namespaces(namespaces: Sequence[str]) -> Callable[[str], bool]:
    """True for the namespaces, or for all if there are none."""
    return namespaces.__contains__ if namespaces else lambda _: True

"""The workload of a cluster that a name means: one with a profile, or an object of its namespace."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.command_line.cluster_objects import NEEDS, ClusterObjects
from app.command_line.namespaces import require_namespaces
from app.command_line.workload_names import select_workload
from app.domain.custom_resources import from_manifest
from app.domain.profiles import ProfileKind
from app.domain.workloads import Connection, Workload, is_named
from app.errors import ForbiddenError
from app.kubernetes.list_options import Object

CLUSTER = "the cluster"
Profiles = Mapping[ProfileKind, Iterable[Object]]


async def find_workload(objects: ClusterObjects, wanted: Workload, profiles: Profiles) -> Workload:
    """The only workload with the name *wanted* that has one of the *profiles*, else any of the cluster.

    For a name without one of *profiles*, the other profiles and the objects of its namespace are listed.

    Raises:
        SettingsError: there are several.
        ProfilerError: there is none, or its namespace does not exist.
    """
    known = subjects(profiles)
    if any(is_named(workload, wanted) for workload in known):
        return select_workload(wanted, known, CLUSTER)
    await require_namespaces(objects.client, [wanted.namespace])
    inside = replace(objects, namespaces=(wanted.namespace,), notes=[])
    refusals: list[str] = []
    for listing in (_profiled(objects, profiles), _existing(inside)):
        try:
            known |= await listing
        except ForbiddenError as error:
            refusals.append(str(error))
    return select_workload(wanted, known, CLUSTER, refusals or inside.notes)


async def _profiled(objects: ClusterObjects, profiles: Profiles) -> set[Workload]:
    """The workloads with a CPU or memory profile, unless *profiles* has these."""
    return subjects(await objects.profiles([kind for kind in NEEDS if kind not in profiles]))


async def _existing(objects: ClusterObjects) -> set[Workload]:
    return {found.workload for found in await objects.workloads()}


def subjects(profiles: Profiles) -> set[Workload]:
    """The workloads of the profiles, both ends of connections; without those that can't be read."""
    found: set[Workload] = set()
    for kind, manifests in profiles.items():
        for manifest in manifests:
            profile = from_manifest(kind, manifest, with_last_write=False)
            match profile and profile.subject:
                case Workload() as workload:
                    found.add(workload)
                case Connection(source=source, destination=destination):
                    found |= {source, destination}
    return found

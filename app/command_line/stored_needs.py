"""The needs of a workload as the profiles in the cluster state them."""

from app.backtest.profile_needs import ProfileNeed, read_need
from app.command_line.cluster import open_access
from app.command_line.cluster_access import ClusterAccess
from app.command_line.releases import in_release, release_of
from app.domain.custom_resources import KINDS
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Identity, Resource
from app.domain.workloads import Workload
from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.settings.environment import Settings


async def read_stored_needs(
    settings: Settings, access: ClusterAccess, workload: Workload
) -> tuple[dict[Resource, ProfileNeed], str]:
    """The stored needs of *workload*, by resource, none without a profile; and the namespace of profiles."""
    async with open_access(access) as client:
        home = in_release(settings, await release_of(client, settings, access)).profiles_home
        needs = {resource: await _read_stored_need(client, home, resource, workload) for resource in Resource}
    return {resource: need for resource, need in needs.items() if need}, home


async def _read_stored_need(
    client: ClusterClient, namespace: str, resource: Resource, workload: Workload
) -> ProfileNeed | None:
    """The profile of *workload* under one of its two possible names; None if both belong to others."""
    identity = Identity(resource.profile_kind, workload)
    for name in filter(None, (contract_name(identity), separated_name(identity))):
        path = paths.profile(KINDS[resource.profile_kind].plural, namespace, name)
        try:
            stored = read_need(workload, resource, await client.get(path))
        except NotFoundError:
            continue
        if stored:
            return stored
    return None

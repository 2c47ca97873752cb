"""The profiles of the cluster, with a copy of all of them for printing."""

from collections.abc import Sequence
from datetime import datetime

from app.command_line.terminal import print_error
from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import ProfileKind, StoredProfile
from app.domain.untyped import mapping_in
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.profiler.in_memory import InMemoryProfiles
from app.profiler.profile_write import ProfileWrite
from app.runtime.adapters import ClusterProfiles


class TeeProfileStore:
    """Writes changed profiles to the cluster, and keeps a copy of all profiles for printing."""

    def __init__(self, local: InMemoryProfiles, remote: ClusterProfiles) -> None:
        self._local, self._remote = local, remote

    @property
    def known_kinds(self) -> frozenset[ProfileKind]:
        """The kinds that were listed in the cluster."""
        return self._local.known_kinds

    async def stored(self) -> ProfileCatalogue:
        """The profiles in the cluster."""
        return self._local.catalogue

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Writes to the cluster, then to the copy."""
        await self._remote.write(write, now)
        await self._local.write(write, now)

    async def set_policy(self, profile: StoredProfile, rules: Sequence[PolicyRule]) -> None:
        """Sets it in the cluster, then in the copy."""
        await self._remote.set_policy(profile, rules)
        await self._local.set_policy(profile, rules)

    async def mark(self, profile: StoredProfile, *, stale: bool, now: datetime) -> None:
        """Marks the profile in the cluster, then in the copy."""
        await self._remote.mark(profile, stale=stale, now=now)
        await self._local.mark(profile, stale=stale, now=now)

    async def remove(self, profile: StoredProfile) -> None:
        """Removes the profile from the cluster, then from the copy."""
        await self._remote.remove(profile)
        await self._local.remove(profile)


async def copied_store(client: ClusterClient, home: str, local: InMemoryProfiles) -> TeeProfileStore:
    """A store for the cluster's profiles in the namespace *home*, with a copy of all of them in *local*."""
    for profile_kind, kind in KINDS.items():
        listing = await client.list_all(ListOptions(paths.profiles(kind.plural, home)))
        local.replace(
            profile_kind, (_without_server_fields(manifest, kind.kind) for manifest in listing.items)
        )
        readable = sum(profile.kind is profile_kind for profile in local.catalogue)
        if left_out := len(listing.items) - readable:
            reason = "they hold no profile that can be read, or a copy of another's"
            print_error(f"{left_out} of {len(listing.items)} {kind.plural} left out: {reason}")
    return TeeProfileStore(local, ClusterProfiles(client, home, local.catalogue))


def _without_server_fields(manifest: Object, kind: str) -> Object:
    """The object without the metadata that the API server adds; a status that is none becomes empty."""
    metadata = manifest["metadata"]
    kept = {key: metadata.get(key) for key in ("name", "namespace", "annotations")}
    if labels := metadata.get("labels"):  # objects of an older release have none
        kept["labels"] = labels
    status = dict(mapping_in(manifest.get("status")))
    return manifest | {"kind": kind, "metadata": kept, "status": status}

"""Profiles kept in memory, for runs without a cluster: the demo, and one-shot computations."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import structlog

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import stale_condition, to_manifest, to_status
from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.quantities import format_time
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.profile_write import ProfileWrite

log = structlog.get_logger(__name__)


class InMemoryProfiles:
    """A profile store whose objects are those that a cluster would hold."""

    def __init__(self, namespace: str) -> None:
        self.catalogue = ProfileCatalogue()
        self.manifests: dict[str, dict[str, Any]] = {}
        self._namespace = namespace
        for kind in ProfileKind:
            self.replace(kind, [])

    def replace(self, kind: ProfileKind, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Begin with what a cluster holds of one kind."""
        listed = [dict(manifest) for manifest in manifests]
        self.manifests |= {manifest["metadata"]["name"]: manifest for manifest in listed}
        self.catalogue.replace(kind, listed)

    def manifests_of(self, identities: Iterable[Identity]) -> list[dict[str, Any]]:
        """The objects in which the profiles of *identities* are kept, in the order of their names."""
        stored = filter(None, map(self.catalogue.get, identities))
        return [self.manifests[name] for name in sorted(each.name for each in stored)]

    async def stored(self) -> ProfileCatalogue:
        """What was written so far."""
        return self.catalogue

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Keep the object that an API server would keep."""
        manifest = self.manifests.get(write.name, {})
        if write.value_changed:
            status = manifest.get("status", {})
            manifest = to_manifest(write.profile, name=write.name, namespace=self._namespace, updated_at=now)
            manifest["status"] = status
        kept = {key: value for key, value in manifest.get("status", {}).items() if key == "conditions"}
        manifest["status"] = to_status(write.profile, refreshed_at=now) | kept
        self.manifests[write.name] = manifest
        self.catalogue.upsert(write.profile.identity.kind, manifest)

    async def mark(self, profile: StoredProfile, *, stale: bool, now: datetime) -> None:
        """Set or clear the condition that an API server would hold."""
        manifest = self.manifests[profile.name]
        condition = stale_condition(stale=stale, now=format_time(now))
        manifest["status"] = manifest.get("status", {}) | {"conditions": [condition]}
        self.catalogue.upsert(profile.identity.kind, manifest)

    async def remove(self, profile: StoredProfile) -> None:
        """Drop the object."""
        self.catalogue.delete(profile.identity.kind, self.manifests.pop(profile.name))


class FixedSnapshot:
    """A lister for runs without a cluster: what a record tells, or nothing, so that names have to."""

    def __init__(self, directory: ClusterSnapshot | None = None) -> None:
        self._directory = directory or ClusterSnapshot()

    async def directory(self) -> ClusterSnapshot:
        """The same at any time."""
        return self._directory


class LoggedReport:
    """A report sink for runs without a cluster."""

    async def tell(self, report: Mapping[str, Any]) -> None:
        """Log how many profiles there are."""
        log.info("profiles", **report["profiles"])

    async def announce(self, reason: str, message: str, *, warning: bool) -> None:
        """Nothing: the change was logged already, and there is nobody to send an Event to."""

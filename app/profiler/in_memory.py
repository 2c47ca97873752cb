"""In-memory profile store and report sink for runs without a cluster: the demo, and one-shot computations."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import stale_condition, to_manifest, to_status
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.quantities import format_time
from app.domain.workload_policy import to_items
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.profile_write import ProfileWrite

log = structlog.get_logger(__name__)
_OF_OTHERS = ("conditions", "policy")  # parts of a status that are not written with it


class InMemoryProfiles:
    """A profile store that keeps the objects that a cluster would hold."""

    def __init__(self, namespace: str) -> None:
        self.catalogue = ProfileCatalogue()
        self.manifests: dict[str, dict[str, Any]] = {}
        self._namespace = namespace
        for kind in ProfileKind:
            self.replace(kind, [])

    def replace(self, kind: ProfileKind, manifests: Iterable[Mapping[str, Any]]) -> None:
        """Start with the objects that a cluster holds of one kind."""
        listed = [dict(manifest) for manifest in manifests]
        self.manifests |= {manifest["metadata"]["name"]: manifest for manifest in listed}
        self.catalogue.replace(kind, listed)

    def manifests_of(self, identities: Iterable[Identity]) -> list[dict[str, Any]]:
        """The objects of the profiles of *identities*, in order of name."""
        stored = filter(None, map(self.catalogue.get, identities))
        return [self.manifests[name] for name in sorted(profile.name for profile in stored)]

    @property
    def known_kinds(self) -> frozenset[ProfileKind]:
        """All kinds."""
        return self.catalogue.listed_kinds

    async def stored(self) -> ProfileCatalogue:
        """The catalogue of the objects."""
        return self.catalogue

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Store the object that an API server would store."""
        manifest = self.manifests.get(write.name, {})
        if changed_at := write.manifest_time(now):
            status = manifest.get("status", {})
            manifest = to_manifest(
                write.profile, name=write.name, namespace=self._namespace, updated_at=changed_at
            )
            manifest["status"] = status
        kept = {key: value for key, value in manifest.get("status", {}).items() if key in _OF_OTHERS}
        if write.stored_value is None and write.policy:
            kept["policy"] = to_items(write.policy)
        manifest["status"] = to_status(write.profile, refreshed_at=now, history=write.history) | kept
        self.manifests[write.name] = manifest
        self.catalogue.upsert(write.profile.identity.kind, manifest)

    async def set_policy(self, profile: StoredProfile, rules: Sequence[PolicyRule]) -> None:
        """Replace the rules of its policy."""
        manifest = self.manifests[profile.name]
        status = {key: value for key, value in manifest.get("status", {}).items() if key != "policy"}
        manifest["status"] = status | ({"policy": to_items(rules)} if rules else {})
        self.catalogue.upsert(profile.identity.kind, manifest)

    async def mark(self, profile: StoredProfile, *, stale: bool, now: datetime) -> None:
        """Set or clear the condition `Stale`."""
        manifest = self.manifests[profile.name]
        condition = stale_condition(stale=stale, now=format_time(now))
        manifest["status"] = manifest.get("status", {}) | {"conditions": [condition]}
        self.catalogue.upsert(profile.identity.kind, manifest)

    async def remove(self, profile: StoredProfile) -> None:
        """Delete the object."""
        self.catalogue.delete(profile.identity.kind, self.manifests.pop(profile.name))


class FixedSnapshot:
    """A workload lister for runs without a cluster; if the snapshot is empty, Pod names decide."""

    def __init__(self, snapshot: ClusterSnapshot | None = None) -> None:
        self._snapshot = snapshot or ClusterSnapshot()

    async def snapshot(self) -> ClusterSnapshot:
        """The given snapshot."""
        return self._snapshot


class LoggedReport:
    """A report sink for runs without a cluster."""

    async def write(self, report: Mapping[str, Any]) -> None:
        """Log the number of profiles of each kind."""
        log.info("profiles", **report["profiles"])

    async def write_faults(self, faults: Mapping[str, str]) -> None:
        """Do nothing: the fault is logged already."""

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """Do nothing: the change is logged already, and there is no object for an Event."""

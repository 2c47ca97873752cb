"""Adapters from the Kubernetes client to the profiler's ports."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS, stale_condition, to_manifest, to_status
from app.domain.policy_rule import PolicyRule
from app.domain.profiles import ProfileKind, StoredProfile
from app.domain.quantities import format_time
from app.domain.workload_policy import to_items
from app.errors import NotFoundError, UnavailableError
from app.kubernetes.client import ClusterClient
from app.kubernetes.events import EventRecorder, InvolvedObject
from app.kubernetes.profiles import ProfileWriter
from app.kubernetes.status_map import NAME as STATUS_MAP
from app.kubernetes.status_map import StatusMap
from app.kubernetes.workloads import WorkloadClient
from app.periodic import wait_synced
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.status_report import report_faults
from app.profiler.profile_write import ProfileWrite
from app.profiler.registries.workloads import build_snapshot
from app.profiler.workload_event import WorkloadEvent
from app.runtime.watches.namespace_metadata import list_namespace_metadata


class ClusterWorkloads:
    """The running workloads of the profiled namespaces, listed on each call: for a single cycle.

    *report* gets a sentence on each kind that can't be listed in a namespace.
    """

    def __init__(
        self,
        client: ClusterClient,
        namespaces: Sequence[str],
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client, self._namespaces, self._report = client, namespaces, report
        self._workloads = WorkloadClient(client, namespaces, report)

    async def snapshot(self) -> ClusterSnapshot:
        """The Pods and workloads that run now."""
        pods = {(pod.namespace, pod.name): pod.workload for pod in await self._workloads.pods()}
        snapshot = build_snapshot(pods, await self._workloads.records())
        metadata = await list_namespace_metadata(self._client, self._namespaces, self._report)
        return replace(
            snapshot,
            unread=self._workloads.unread,
            namespace_policies=metadata.policies(),
            known_namespaces=metadata.known(),
        )


class ClusterProfiles:
    """Profiles as custom resources: read from a watched catalogue, written by server-side apply."""

    def __init__(
        self,
        client: ClusterClient,
        namespace: str,
        catalogue: ProfileCatalogue,
        *,
        is_failing: Callable[[ProfileKind], bool] = lambda _kind: False,
        sync_seconds: float = 30,
    ) -> None:
        self._writer = ProfileWriter(client, namespace)
        self._namespace = namespace
        self._catalogue = catalogue
        self._is_failing, self._sync_seconds = is_failing, sync_seconds

    @property
    def known_kinds(self) -> frozenset[ProfileKind]:
        """The kinds that are listed and can still be read."""
        return frozenset(kind for kind in self._catalogue.listed_kinds if not self._is_failing(kind))

    async def stored(self) -> ProfileCatalogue:
        """The catalogue when each kind is known, or one is and the others fail.

        Raises:
            UnavailableError: it is not so within `sync_seconds`.
        """
        try:
            await wait_synced(self._have_settled, within_seconds=self._sync_seconds)
        except TimeoutError as error:
            raise UnavailableError("the stored profiles are not listed yet") from error
        return self._catalogue

    def _have_settled(self) -> bool:
        known = self.known_kinds
        return bool(known) and all(kind in known or self._is_failing(kind) for kind in ProfileKind)

    async def write(self, write: ProfileWrite, now: datetime) -> None:
        """Write the value if it changed, then the status."""
        profile, plural = write.profile, KINDS[write.profile.identity.kind].plural
        if changed_at := write.manifest_time(now):
            manifest = to_manifest(profile, name=write.name, namespace=self._namespace, updated_at=changed_at)
            await self._writer.apply(plural, manifest)
        if write.stored_value is None and (rules := write.policy):
            # Before the status: the webhook never knows the needs of a workload without its policy.
            await self._writer.apply_policy(plural, write.name, to_items(rules))
        status = to_status(profile, refreshed_at=now, history=write.history)
        await self._writer.apply_status(plural, write.name, status)

    async def set_policy(self, profile: StoredProfile, rules: Sequence[PolicyRule]) -> None:
        """Replace the rules of its policy."""
        await self._writer.apply_policy(KINDS[profile.identity.kind].plural, profile.name, to_items(rules))

    async def mark(self, profile: StoredProfile, *, stale: bool, now: datetime) -> None:
        """Set or clear the condition `Stale`."""
        condition = stale_condition(stale=stale, now=format_time(now))
        await self._writer.apply_condition(KINDS[profile.identity.kind].plural, profile.name, condition)

    async def remove(self, profile: StoredProfile) -> None:
        """Delete the profile; does nothing if it does not exist."""
        with contextlib.suppress(NotFoundError):
            await self._writer.delete(KINDS[profile.identity.kind].plural, profile.name)


class ClusterReport:
    """The status ConfigMap, which `job-profiler status` shows, and Events on it."""

    def __init__(self, client: ClusterClient, namespace: str, events: EventRecorder) -> None:
        self._map = StatusMap(client, namespace)
        self._events = events
        self._involved = InvolvedObject("v1", "ConfigMap", namespace, STATUS_MAP)

    async def write(self, report: Mapping[str, Any]) -> None:
        """Write the report if it differs from the stored one."""
        if await self._map.read() != report:
            await self._map.write(dict(report))

    async def write_faults(self, faults: Mapping[str, str]) -> None:
        """Replace the faults of the stored report; without one, the report has nothing else."""
        stored = await self._map.read() or {}
        if (report := stored | report_faults(faults)) != stored:
            await self._map.write(report)

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """Emit an Event on the status ConfigMap."""
        await self._events.record(
            self._involved,
            reason,
            message,
            now=datetime.now(UTC),
            kind="Warning" if warning else "Normal",
        )


class ClusterEvents:
    """Events on workloads, which `kubectl describe` shows."""

    def __init__(self, events: EventRecorder) -> None:
        self._events = events

    async def record(self, event: WorkloadEvent) -> None:
        """Emit an Event on a workload, in the workload's namespace."""
        workload = event.workload
        involved = InvolvedObject(
            event.api_version, workload.kind, workload.namespace, workload.name, event.uid
        )
        kind: Literal["Normal", "Warning"] = "Warning" if event.reason.is_fault else "Normal"
        await self._events.record(involved, event.reason, event.message, now=datetime.now(UTC), kind=kind)

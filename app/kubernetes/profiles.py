"""Writes of profiles by server-side apply; `app.domain.custom_resources` defines their format."""

from app.domain.custom_resources import GROUP, KINDS, VERSION
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import Object

FIELD_MANAGER = "job-profiler"
# Kubernetes 1.20 tracks field managers without their subresource: with one manager for the profile and its
# status, each apply would remove the fields of the other.
STATUS_FIELD_MANAGER = "job-profiler-status"
CONDITIONS_FIELD_MANAGER = "job-profiler-conditions"
POLICY_FIELD_MANAGER = "job-profiler-policy"
_KIND_OF_PLURAL = {kind.plural: kind.kind for kind in KINDS.values()}


class ProfileWriter:
    """Applies profiles and their status; all profiles are in one namespace."""

    def __init__(self, client: ClusterClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def apply(self, plural: str, manifest: Object) -> None:
        """Create or update the profile. Each call sends a request, even if nothing changes."""
        path = paths.profile(plural, self._namespace, manifest["metadata"]["name"])
        await self._client.apply(path, manifest, field_manager=FIELD_MANAGER)

    async def apply_status(self, plural: str, name: str, status: Object) -> None:
        """Set the status of an existing profile, except for its conditions and its policy."""
        await self._apply_to_status(plural, name, status, STATUS_FIELD_MANAGER)

    async def apply_condition(self, plural: str, name: str, condition: Object) -> None:
        """Set one condition of an existing profile."""
        await self._apply_to_status(plural, name, {"conditions": [condition]}, CONDITIONS_FIELD_MANAGER)

    async def apply_policy(self, plural: str, name: str, rules: list[dict[str, str]]) -> None:
        """Set the policy of an existing profile; without *rules*, remove it."""
        status: Object = {"policy": rules} if rules else {}
        await self._apply_to_status(plural, name, status, POLICY_FIELD_MANAGER)

    async def _apply_to_status(self, plural: str, name: str, status: Object, field_manager: str) -> None:
        manifest = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": _KIND_OF_PLURAL[plural],
            "metadata": {"name": name, "namespace": self._namespace},
            "status": status,
        }
        path = paths.status(paths.profile(plural, self._namespace, name))
        await self._client.apply(path, manifest, field_manager=field_manager)

    async def delete(self, plural: str, name: str) -> None:
        """Delete a profile."""
        await self._client.delete(paths.profile(plural, self._namespace, name))

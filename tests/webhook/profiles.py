"""Stored profiles as the API server lists them, and the expected annotations of emojivoto's `web`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS, to_manifest
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Basis, ConnectionProfile, Profile, ProfileKind, Resource, ResourceProfile
from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload

NOW = datetime(2026, 3, 1, tzinfo=UTC)
_BASIS = Basis(NOW, NOW, 12, 1.0, 0.5)

WEB, EMOJI, VOTING, VOTE_BOT = (
    Workload("emojivoto", name) for name in ("web", "emoji", "voting", "vote-bot")
)
# The names of the contract: sha1hex(job+namespace), sha1hex(source+destination+namespace).
WEB_CPU = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
WEB_MEMORY = "memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
WEB_TO_VOTING = "connprofile-b2d1d9faa4282ddf04a37d45d30192f1d6bbdb33"
VOTE_BOT_TO_WEB = "connprofile-d4cb52bc5247b3dd31773292d8853db6eb96466b"
WEB_TO_EMOJI = "connprofile-fc09272092ec5b7073153c9134d0156117451784"
WEB_ANNOTATIONS = {
    "liqo.io/cpuProfile": WEB_CPU,
    "liqo.io/memoryProfile": WEB_MEMORY,
    "liqo.io/connectionProfile0": WEB_TO_VOTING,
    "liqo.io/connectionProfile1": VOTE_BOT_TO_WEB,
    "liqo.io/connectionProfile2": WEB_TO_EMOJI,
}


def cpu(workload: Workload, value: str = "0.020", *, name: str = "") -> dict[str, Any]:
    """A CPUProfile, by default with the name that the profiler allocates."""
    return _manifest(ResourceProfile(workload, Resource.CPU, value, _BASIS), name)


def memory(workload: Workload, value: str = "17106488", *, name: str = "") -> dict[str, Any]:
    """A MemoryProfile."""
    return _manifest(ResourceProfile(workload, Resource.MEMORY, value, _BASIS), name)


def name_of(manifest: Mapping[str, Any]) -> str:
    """The name in a manifest."""
    return str(manifest["metadata"]["name"])


def with_containers(
    manifest: Mapping[str, Any], containers: Mapping[str, str], confidence: str = "0.87"
) -> dict[str, Any]:
    """The profile with a status that has the values of containers."""
    values = [{"name": name, "value": value, "samples": 12} for name, value in containers.items()]
    return {**manifest, "status": {"confidence": confidence, "containers": values}}


def connection(
    source: Workload,
    destination: Workload,
    value: str = "47.12",
    *,
    name: str = "",
    reporters: Reporters = Reporters.SOURCE,
    bytes_sent: int | None = None,
) -> dict[str, Any]:
    """A ConnectionProfile from *source* (the client) to *destination* (the server)."""
    edge = Connection(source, destination)
    profile = ConnectionProfile(edge, value, value, "0.00", _BASIS, reporters=reporters)
    manifest = _manifest(profile, name)
    if bytes_sent is None:
        return manifest
    return manifest | {"status": {"requestBytesPerSecond": str(bytes_sent)}}


def _manifest(profile: Profile, name: str) -> dict[str, Any]:
    name = name or contract_name(profile.identity) or separated_name(profile.identity)
    return to_manifest(profile, name=name, namespace="profiling", updated_at=NOW)


def kind_of(manifest: Mapping[str, Any]) -> ProfileKind:
    """The kind of profile that the manifest holds."""
    return next(profile_kind for profile_kind, kind in KINDS.items() if kind.kind == manifest["kind"])


def synced_catalogue(
    *manifests: Mapping[str, Any], with_containers: bool = False, with_requests: bool = False
) -> ProfileCatalogue:
    """A catalogue after the first list of each kind."""
    catalogue = ProfileCatalogue(with_containers=with_containers, with_requests=with_requests)
    for kind in ProfileKind:
        catalogue.replace(kind, [manifest for manifest in manifests if kind_of(manifest) is kind])
    return catalogue


def web_profiles() -> Iterable[dict[str, Any]]:
    """The five profiles of `web`."""
    return (
        cpu(WEB),
        memory(WEB),
        connection(WEB, VOTING, "20.00"),
        connection(WEB, EMOJI, "60.00"),
        connection(VOTE_BOT, WEB, "30.00"),
    )

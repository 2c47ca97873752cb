"""The peers of a workload: its connections in both directions, and the share of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.decisions.figures import float_in
from app.domain.custom_resources import from_manifest
from app.domain.profiles import ProfileKind
from app.domain.untyped import mapping_in, text_in
from app.domain.workloads import Connection, Workload, is_named


class Direction(StrEnum):
    """Whether the workload calls the peer, or the peer calls it."""

    CALLS = "calls"
    CALLED_BY = "called by"


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection of a workload.

    Messages are requests and responses per minute. Bytes are per second, sent and received by the workload;
    None where they are not measured. Shares are of all messages and of all bytes of the workload.
    """

    direction: Direction
    workload: Workload
    messages: float
    messages_p95: float | None = None
    sent: float | None = None
    sent_p95: float | None = None
    received: float | None = None
    received_p95: float | None = None
    protocol: str = ""
    message_share: float = 0.0
    byte_share: float | None = None
    name: str = ""

    @property
    def size(self) -> float:
        """The bytes of both ways; 0 if they are not measured."""
        return (self.sent or 0.0) + (self.received or 0.0)

    @property
    def share(self) -> float:
        """The larger of both shares, by which connections are chosen for annotations too."""
        return max(self.message_share, self.byte_share or 0.0)


def peers_of(workload: Workload, manifests: Iterable[Mapping[str, Any]]) -> list[Peer]:
    """The peers of *workload* among connection profiles, the largest share first.

    An empty kind stands for every kind of this name.
    """
    found = [peer for manifest in manifests for peer in _peers(workload, manifest)]
    messages, sizes = sum(peer.messages for peer in found), sum(peer.size for peer in found)
    shared = [
        replace(
            peer,
            message_share=peer.messages / messages if messages else 0.0,
            byte_share=peer.size / sizes if sizes and peer.sent is not None else None,
        )
        for peer in found
    ]
    return sorted(shared, key=lambda peer: (-peer.share, peer.direction, peer.workload))


def _peers(workload: Workload, manifest: Mapping[str, Any]) -> Iterable[Peer]:
    """The peer in a profile; two of them if the workload calls itself."""
    profile = from_manifest(ProfileKind.CONNECTION, manifest)
    if profile is None or not isinstance(profile.subject, Connection):
        return
    connection, status = profile.subject, mapping_in(manifest.get("status"))
    steps = mapping_in(status.get("steps"))
    request, response = "requestBytesPerSecond", "responseBytesPerSecond"
    for direction, mine, peer in (
        (Direction.CALLS, connection.source, connection.destination),
        (Direction.CALLED_BY, connection.destination, connection.source),
    ):
        if is_named(mine, workload):
            sent, received = (request, response) if direction is Direction.CALLS else (response, request)
            yield Peer(
                direction,
                peer,
                float_in(profile.value) or 0.0,
                _p95(steps, "messagesPerMinute"),
                float_in(status.get(sent)),
                _p95(steps, sent),
                float_in(status.get(received)),
                _p95(steps, received),
                text_in(status.get("protocol")),
                name=profile.name,
            )


def _p95(steps: Mapping[str, Any], name: str) -> float | None:
    return float_in(mapping_in(steps.get(name)).get("p95"))

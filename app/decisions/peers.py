"""The connections of a cluster, and the peers of one workload in both directions with the share of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.decisions.figures import float_in
from app.domain.connection_providers import NOT_KNOWN, Counting, Provider
from app.domain.custom_resources import COUNTED_BY, SAMPLED_ONE_IN, from_manifest
from app.domain.profiles import ProfileKind
from app.domain.untyped import mapping_in, ratio_in, text_in
from app.domain.workloads import Connection, Workload, is_named


class Direction(StrEnum):
    """Whether the workload calls the peer, or the peer calls it."""

    CALLS = "calls"
    CALLED_BY = "called by"


@dataclass(frozen=True, slots=True)
class Traffic:
    """The mean of a rate and its 95th percentile over 5-minute steps; None where it is not measured."""

    mean: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """One connection profile: messages per minute, and bytes per second of requests and of responses."""

    connection: Connection
    messages: Traffic
    request_bytes: Traffic
    response_bytes: Traffic
    protocol: str = ""
    name: str = ""
    counting: Counting = NOT_KNOWN

    @property
    def size(self) -> float:
        """The bytes per second of both ways; 0 if they are not measured."""
        return (self.request_bytes.mean or 0.0) + (self.response_bytes.mean or 0.0)


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
    counting: Counting = NOT_KNOWN

    @property
    def size(self) -> float:
        """The bytes of both ways; 0 if they are not measured."""
        return (self.sent or 0.0) + (self.received or 0.0)

    @property
    def share(self) -> float:
        """The larger of both shares, by which connections are chosen for annotations too."""
        return max(self.message_share, self.byte_share or 0.0)


def read_edges(manifests: Iterable[Mapping[str, Any]]) -> list[Edge]:
    """The edges in connection profiles; an object that holds none is left out."""
    return [edge for manifest in manifests if (edge := _edge(manifest))]


def peers_of(workload: Workload, edges: Iterable[Edge]) -> list[Peer]:
    """The peers of *workload* among *edges*, the largest share first.

    An empty kind stands for every kind of this name.
    """
    found = [peer for edge in edges for peer in _peers(workload, edge)]
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


def _edge(manifest: Mapping[str, Any]) -> Edge | None:
    profile = from_manifest(ProfileKind.CONNECTION, manifest, with_last_write=False)
    if profile is None or not isinstance(profile.subject, Connection):
        return None
    status = mapping_in(manifest.get("status"))
    steps = mapping_in(status.get("steps"))

    def traffic(name: str, mean: object) -> Traffic:
        return Traffic(float_in(mean), float_in(mapping_in(steps.get(name)).get("p95")))

    request, response = "requestBytesPerSecond", "responseBytesPerSecond"
    return Edge(
        profile.subject,
        traffic("messagesPerMinute", profile.value),
        traffic(request, status.get(request)),
        traffic(response, status.get(response)),
        text_in(status.get("protocol")),
        profile.name,
        read_counting(status),
    )


def read_counting(status: Mapping[str, Any]) -> Counting:
    """What counts the connection, by the *status* of its profile."""
    return Counting(Provider.named(text_in(status.get(COUNTED_BY))), ratio_in(status.get(SAMPLED_ONE_IN)))


def _peers(workload: Workload, edge: Edge) -> Iterable[Peer]:
    """The peer of one edge; two of them if the workload calls itself."""
    source, destination = edge.connection.source, edge.connection.destination
    for direction, mine, peer in (
        (Direction.CALLS, source, destination),
        (Direction.CALLED_BY, destination, source),
    ):
        if is_named(mine, workload):
            sent, received = edge.request_bytes, edge.response_bytes
            if direction is Direction.CALLED_BY:
                sent, received = received, sent
            yield Peer(
                direction,
                peer,
                edge.messages.mean or 0.0,
                edge.messages.p95,
                sent.mean,
                sent.p95,
                received.mean,
                received.p95,
                edge.protocol,
                name=edge.name,
                counting=edge.counting,
            )

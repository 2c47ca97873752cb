"""The rows of edges between workloads; pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.dashboard.links import Links
from app.dashboard.rows import NO_AMOUNT, Amount
from app.decisions.peers import Edge
from app.domain.shown_amounts import rate
from app.domain.workloads import Workload

MOST_EDGES = 5_000


@dataclass(frozen=True, slots=True)
class End:
    """A workload at an end of an edge; `href` is empty if it has no view."""

    namespace: str
    name: str
    kind: str
    href: str


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """One edge: messages per minute, and bytes per second each way."""

    source: End
    destination: End
    protocol: str
    counted_by: str
    messages: Amount
    messages_p95: Amount
    request_bytes: Amount
    response_bytes: Amount


def edge_rows(edges: Iterable[Edge], links: Links) -> list[EdgeRow]:
    """The rows of *edges*, in their order."""
    return [
        EdgeRow(
            end_of(edge.connection.source, links),
            end_of(edge.connection.destination, links),
            edge.protocol,
            str(edge.counting),
            per_minute(edge.messages.mean),
            per_minute(edge.messages.p95),
            per_second(edge.request_bytes.mean),
            per_second(edge.response_bytes.mean),
        )
        for edge in edges
    ]


def end_of(workload: Workload, links: Links) -> End:
    """The name and the address of a workload."""
    return End(workload.namespace, workload.name, workload.kind, links.workload(workload))


def per_minute(messages: float | None) -> Amount:
    """Messages per minute: `47.12`."""
    return NO_AMOUNT if messages is None else Amount(f"{messages:,.2f}")


def per_second(size: float | None) -> Amount:
    """Bytes per second: `5.1kB`."""
    return NO_AMOUNT if size is None else Amount(rate(size))

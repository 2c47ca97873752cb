"""The views of all namespaces, and of one: its totals, its workloads and its largest edges; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.dashboard.connections import EdgeRow, edge_rows
from app.dashboard.facts import Facts
from app.dashboard.links import Links
from app.dashboard.overview import TotalCard, total_cards
from app.dashboard.rows import WorkloadRow, workload_rows
from app.decisions.savings import Group

_EDGES = 20


@dataclass(frozen=True, slots=True)
class NamespaceRow:
    """One namespace with its totals."""

    name: str
    href: str
    workloads: int
    cards: Sequence[TotalCard]


@dataclass(frozen=True, slots=True)
class NamespacePage:
    """One namespace; `edges_total` counts those beyond the listed ones too."""

    name: str
    row: NamespaceRow | None
    workloads: Sequence[WorkloadRow]
    edges: Sequence[EdgeRow]
    edges_total: int


def namespace_rows(facts: Facts, links: Links) -> list[NamespaceRow]:
    """The namespaces of workloads with known requests, by name."""
    return [_row(links, group) for group in facts.needs.savings.by_namespace()] if facts.needs else []


def _row(links: Links, group: Group) -> NamespaceRow:
    return NamespaceRow(
        group.namespace, links.namespace(group.namespace), group.workloads, total_cards(group)
    )


def namespace_page(facts: Facts, links: Links, name: str) -> NamespacePage:
    """The namespace *name*; all its tables are empty if there is no profile in it."""
    workloads = [one for one in facts.needs.figures if one.namespace == name] if facts.needs else []
    edges = [
        edge
        for edge in (facts.edges.edges if facts.edges else ())
        if name in {edge.connection.source.namespace, edge.connection.destination.namespace}
    ]
    rows = (row for row in namespace_rows(facts, links) if row.name == name)
    return NamespacePage(
        name,
        next(rows, None),
        workload_rows(facts, links, workloads),
        edge_rows(edges[:_EDGES], links),
        len(edges),
    )

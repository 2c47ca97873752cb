"""The first view: totals, largest waste, largest risk, and the health of sources and webhook; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.dashboard.facts import ClusterHealth, Facts, Needs
from app.dashboard.links import Links
from app.dashboard.rows import NONE, WorkloadRow, workload_rows
from app.decisions.savings import UNITS, Group, SortKey, WorkloadSaving, in_order
from app.domain.profiles import Resource
from app.domain.quantities import RESOURCE_NAMES
from app.domain.shown_amounts import share
from app.domain.workloads import Workload

UNIT_NAMES = {Resource.CPU: "cores", Resource.MEMORY: "GiB"}
_TOP = 8


@dataclass(frozen=True, slots=True)
class TotalCard:
    """The totals of one resource over all replicas; lengths of the bar are percents of the larger sum."""

    title: str
    unit: str
    requested: str
    needed: str
    over: str
    over_share: str
    under: str
    requested_length: int
    needed_length: int


@dataclass(frozen=True, slots=True)
class RankedList:
    """A short table of workloads, the first of which has most of what the title says."""

    title: str
    rows: Sequence[WorkloadRow]
    resource: str
    empty: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The values of the first view."""

    workloads: int
    without_requests: int
    cards: Sequence[TotalCard]
    money: tuple[str, str] | None
    waste: Sequence[RankedList]
    risk: RankedList
    health: ClusterHealth | None
    notes: Sequence[str]


def overview(facts: Facts, links: Links) -> Overview:
    """The first view of *facts*."""
    needs = facts.needs
    if needs is None:
        return Overview(0, 0, (), None, (), RankedList("", (), "", ""), facts.health, ())
    group = needs.savings.total()
    money = None
    if needs.prices.are_given:
        over, under = group.money(needs.prices)
        money = f"{over:,.2f}", f"{under:,.2f}"
    return Overview(
        len(needs.figures),
        len(needs.savings.unknown),
        total_cards(group) if group.workloads else (),
        money,
        [_waste(facts, needs, links, resource) for resource in Resource],
        RankedList(
            "Largest risk",
            workload_rows(facts, links, most_at_risk(needs, _TOP)),
            "",
            "No workload needs more than it requests, and no limit is below a need.",
        ),
        facts.health,
        needs.notes,
    )


def total_cards(group: Group) -> list[TotalCard]:
    """A card for each resource of the totals."""
    return [_card(group, resource) for resource in Resource if resource in group.totals]


def _card(group: Group, resource: Resource) -> TotalCard:
    total = group.totals[resource]
    requested, needed, over, under = (
        float(part / UNITS[resource]) for part in (total.requested, total.needed, total.over, total.under)
    )
    whole = max(requested, needed) or 1.0
    return TotalCard(
        RESOURCE_NAMES[resource][0].upper() + RESOURCE_NAMES[resource][1:],
        UNIT_NAMES[resource],
        f"{requested:,.2f}",
        f"{needed:,.2f}",
        f"{over:,.2f}",
        share(total.over_share) if total.requested else NONE,
        f"{under:,.2f}",
        round(requested / whole * 100),
        round(needed / whole * 100),
    )


def _waste(facts: Facts, needs: Needs, links: Links, resource: Resource) -> RankedList:
    name = RESOURCE_NAMES[resource]
    return RankedList(
        f"Largest waste of {name}",
        workload_rows(facts, links, most_wasteful(needs, resource)[:_TOP]),
        resource.value,
        f"No workload requests more {name} than it needs.",
    )


def most_wasteful(needs: Needs, resource: Resource) -> list[Workload]:
    """The workloads that request more of *resource* than they need, the largest difference first."""
    wasteful = [each for each in needs.savings.over() if each.difference(resource) > 0]
    return [each.workload for each in in_order(wasteful, SortKey(resource.value), needs.prices)]


def most_at_risk(needs: Needs, count: int) -> list[Workload]:
    """The workloads that lack the largest share of their need; a limit below the need comes first."""
    ordered: list[WorkloadSaving] = in_order(needs.savings.under(), SortKey.RISK, needs.prices)
    return [each.workload for each in ordered[:count]]

"""Rows of the tables of workloads, and the amounts in them; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from app.dashboard.facts import Facts, Needs, UsageNow
from app.dashboard.links import Links
from app.decisions.figures import WorkloadFigures
from app.decisions.savings import UNITS, WorkloadSaving
from app.domain.profiles import Resource
from app.domain.shown_amounts import Number, amount, share, signed
from app.domain.untyped import list_in, mapping_in
from app.domain.workloads import Workload

NONE = "\N{EN DASH}"
_WIDTH = 100
_LACKS_ALL = Decimal(1)
_LEAST = Decimal("0.01")  # smaller differences have a third decimal


class Amount(NamedTuple):
    """An amount as people read it, a dash if there is none; `number` is what a table sorts words by."""

    text: str = NONE
    number: str = ""


NO_AMOUNT = Amount()


def shown(resource: Resource, value: Number | None) -> Amount:
    """An amount of *resource*, such as `26m` or `347Mi`."""
    return NO_AMOUNT if value is None else Amount(amount(resource, value))


def change(resource: Resource, value: Decimal | None) -> Amount:
    """An amount over all replicas with its sign, in cores or GiB: `+1.42`."""
    if value is None:
        return NO_AMOUNT
    in_units = value / UNITS[resource]
    return Amount(signed(in_units, 2 if not in_units or abs(in_units) >= _LEAST else 3))


class Bar(NamedTuple):
    """The lengths of a bar, of `_WIDTH`: the request, the need, and where usage is, -1 without it."""

    request: int
    need: int
    usage: int = -1


@dataclass(frozen=True, slots=True)
class ResourceCells:
    """The cells of one resource: of one Pod, and the difference over all of them.

    `state` is `over`, `under` or empty, as the savings have it.
    """

    request: Amount = NO_AMOUNT
    need: Amount = NO_AMOUNT
    usage: Amount = NO_AMOUNT
    difference: Amount = NO_AMOUNT
    bar: Bar | None = None
    state: str = ""

    @property
    def has_difference(self) -> bool:
        """True if the requests and the replicas are known."""
        return self.difference is not NO_AMOUNT


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """One workload; `risk` says in words what it lacks."""

    namespace: str
    name: str
    kind: str
    href: str
    pods: Amount
    cpu: ResourceCells
    memory: ResourceCells
    risk: Amount
    money: Amount = NO_AMOUNT
    scaled_by: str = ""
    is_stale: bool = False

    @property
    def has_pods(self) -> bool:
        """True if the number of Pods is known."""
        return self.pods is not NO_AMOUNT

    @property
    def states(self) -> str:
        """`over`, `under`, both or none, for the filter."""
        return " ".join(
            sorted({self.cpu.state, self.memory.state, "under" if self.risk.number else ""} - {""})
        )


def workload_rows(
    facts: Facts, links: Links, workloads: Iterable[Workload] | None = None
) -> list[WorkloadRow]:
    """The rows of *workloads*, or of all, in their order."""
    needs = facts.needs
    if needs is None:
        return []
    chosen = needs.figures.values() if workloads is None else (needs.figures[one] for one in workloads)
    return [_row(needs, facts.usage, links, figures) for figures in chosen]


def _row(needs: Needs, usage: UsageNow, links: Links, figures: WorkloadFigures) -> WorkloadRow:
    workload = figures.workload
    saving = needs.by_workload.get(workload)
    used = usage.get(workload, {})
    cpu, memory = (resource_cells(resource, figures, saving, used.get(resource)) for resource in Resource)
    money = NO_AMOUNT
    if saving and needs.prices.are_given:
        money = Amount(signed(saving.money(needs.prices)))
    return WorkloadRow(
        workload.namespace,
        workload.name,
        workload.kind,
        links.workload(workload),
        NO_AMOUNT if figures.replicas is None else Amount(str(figures.replicas)),
        cpu,
        memory,
        risk_of(saving),
        money,
        ", ".join(map(str, saving.governors)) if saving else "",
        is_stale(needs, workload),
    )


def resource_cells(
    resource: Resource, figures: WorkloadFigures, saving: WorkloadSaving | None, usage: float | None
) -> ResourceCells:
    """The cells of one resource of a workload; without a profile of it, the usage alone."""
    replica = figures.amounts.get(resource)
    used = shown(resource, usage)
    if replica is None:
        return ResourceCells(usage=used)
    difference = saving.resources[resource].difference if saving and resource in saving.resources else None
    changed = change(resource, difference)
    is_shown = difference is not None and float(changed.text) != 0
    state = "" if not is_shown else "under" if changed.text.startswith("-") else "over"
    return ResourceCells(
        shown(resource, replica.request),
        shown(resource, replica.need),
        used,
        changed,
        bar(replica.request, replica.need, usage),
        state,
    )


def bar(request: Decimal | None, need: Decimal, usage: float | None = None) -> Bar | None:
    """The bar of a request, a need and a usage, on one scale; None if all are 0."""
    amounts = [float(request or 0), float(need), usage or 0.0]
    whole = max(amounts)
    if not whole:
        return None
    lengths = [round(part / whole * _WIDTH) for part in amounts]
    return Bar(lengths[0], lengths[1], -1 if usage is None else lengths[2])


def risk_of(saving: WorkloadSaving | None) -> Amount:
    """What a workload lacks, in words; a limit below the need counts most."""
    if saving is None or not saving.risk:
        return NO_AMOUNT
    number = f"{float(saving.risk):.4g}"
    if saving.limits_below:
        return Amount("limit below need", number)
    if saving.risk >= _LACKS_ALL:
        return Amount("no request", number)
    return Amount(f"lacks {share(saving.risk)}", number)


def is_stale(needs: Needs, workload: Workload) -> bool:
    """True if a profile of *workload* has the condition `Stale`."""
    return any(
        condition.get("type") == "Stale" and condition.get("status") == "True"
        for manifest in needs.profiles.get(workload, {}).values()
        for condition in map(mapping_in, list_in(mapping_in(manifest.get("status")).get("conditions")))
    )

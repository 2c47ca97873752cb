"""Savings as tables and as a document; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.command_line.documents import (
    API_VERSION,
    ARROW,
    NO_REQUEST,
    UNIT_NAMES,
    identity,
    in_units,
    number,
)
from app.command_line.printout import Column, Printout, Row, Table
from app.command_line.scaling_report import scaling_items, scaling_sentences
from app.decisions.differences import SAVINGS
from app.decisions.savings import Group, Prices, Savings, SortKey, WorkloadSaving, in_order
from app.domain.profiles import Resource
from app.domain.shown_amounts import amount, share, signed


@dataclass(frozen=True, slots=True)
class SavingsOptions:
    """What is shown: the order, at most `top` rows of each table (0: all), prices, and notes."""

    sort: SortKey
    prices: Prices
    top: int = 0
    notes: Sequence[str] = ()
    source: str = "stored profiles"


def savings_printout(found: Savings, options: SavingsOptions) -> Printout:
    """The tables of what is over- and under-requested, and the totals."""
    over = in_order(found.over(), options.sort, options.prices)
    under = in_order(found.under(), options.sort, options.prices)
    has_clusters = len(found.by_cluster()) > 1
    tables = [
        _workloads("Requested and not needed", over, options, is_over=True),
        _workloads("Needed and not requested", under, options, is_over=False),
        _groups("Totals of namespaces", found.by_namespace(), options),
    ]
    if has_clusters:
        tables.append(_groups("Totals of clusters", found.by_cluster(), options))
    return Printout(_document(found, options), tables, after=list(_sentences(found, options, over, under)))


def _workloads(
    title: str, rows: Sequence[WorkloadSaving], options: SavingsOptions, *, is_over: bool
) -> Table:
    columns = (
        Column("WORKLOAD", "workload"),
        Column("KIND", "kind", is_wide=True),
        Column("CLUSTER", "cluster", is_optional=True),
        Column("PODS", "replicas", is_number=True),
        Column("CPU", "cpuRequestToNeed", is_number=True, exact=("cpuRequest", "cpuNeed")),
        Column("CORES", "cores", signed, is_number=True),
        Column("MEMORY", "memoryRequestToNeed", is_number=True, exact=("memoryRequest", "memoryNeed")),
        Column("GIB", "gib", signed, is_number=True),
        Column("PRICE /MONTH", "price", signed, is_number=True, is_optional=True),
        Column("LIMIT BELOW NEED", "limitsBelow", _joined, is_optional=True),
        Column("SCALED BY", "autoscalers", _joined, is_optional=True),
        Column("POLICY", "policy", "; ".join, is_optional=True),
    )
    shown = rows[: options.top or len(rows)]
    return Table(title, columns, [_row(each, options, is_over=is_over) for each in shown])


def _joined(texts: Iterable[object]) -> str:
    return ", ".join(map(str, texts))


def _row(each: WorkloadSaving, options: SavingsOptions, *, is_over: bool) -> Row:
    """The resources of a workload that are over- or under-requested; the others are left empty."""
    row: dict[str, Any] = {
        "workload": f"{each.workload.namespace}/{each.workload.name}",
        "kind": each.workload.kind,
        "cluster": each.cluster,
        "replicas": each.replicas,
    }
    price = Decimal(0)
    for resource, saving in each.resources.items():
        if saving.difference and (saving.difference > 0) is is_over:
            request = NO_REQUEST if saving.request is None else amount(resource, saving.request)
            row[f"{resource}RequestToNeed"] = f"{request}{ARROW}{amount(resource, saving.need)}"
            row |= {f"{resource}Request": number(saving.request), f"{resource}Need": number(saving.need)}
            row[UNIT_NAMES[resource].casefold()] = in_units(resource, saving.difference)
            price += options.prices.of(resource, saving.difference)
    if options.prices.are_given:
        row["price"] = _money(price)
    if not is_over:
        row["limitsBelow"] = list(each.limits_below)
    row |= {"autoscalers": list(map(str, each.governors)), "policy": list(each.policy)}
    return row


def _money(price: Decimal) -> float:
    return round(float(price), 2)


def _groups(title: str, groups: Sequence[Group], options: SavingsOptions) -> Table:
    columns = [
        Column("NAMESPACE", "namespace", is_optional=True),
        Column("CLUSTER", "cluster", is_optional=True),
        Column("WORKLOADS", "workloads", is_number=True, is_wide=True),
    ]
    for resource in Resource:
        name = UNIT_NAMES[resource]
        columns += [
            Column(f"{name.upper()} ASKED", f"{name}Requested", "{:.2f}".format, is_number=True),
            Column("OVER", f"{name}Over", "{:.2f}".format, is_number=True),
            Column("SHARE", f"{name}OverShare", share, is_number=True),
            Column("UNDER", f"{name}Under", "{:.2f}".format, is_number=True),
        ]
    columns.append(Column("PRICE OVER", "priceOver", "{:.2f}".format, is_number=True, is_optional=True))
    return Table(title, columns, [_group_row(group, options.prices) for group in groups])


def _group_row(group: Group, prices: Prices) -> Row:
    row: dict[str, Any] = {
        "namespace": group.namespace,
        "cluster": group.cluster,
        "workloads": group.workloads,
    }
    for resource, total in group.totals.items():
        name = UNIT_NAMES[resource]
        row |= {
            f"{name}Requested": in_units(resource, total.requested),
            f"{name}Over": in_units(resource, total.over),
            f"{name}OverShare": round(float(total.over_share), 4),
            f"{name}Under": in_units(resource, total.under),
        }
    return row | ({"priceOver": _money(group.money(prices)[0])} if prices.are_given else {})


def _sentences(
    found: Savings, options: SavingsOptions, over: Sequence[object], under: Sequence[object]
) -> Iterable[str]:
    group = found.total()
    for resource, name in UNIT_NAMES.items():
        total = group.totals.get(resource)
        if total and total.requested:
            over_units, asked, missing = (
                f"{in_units(resource, part):.2f}" for part in (total.over, total.requested, total.under)
            )
            yield (
                f"{name}: {over_units} of {asked} that are requested ({share(total.over_share)}) are not"
                f" needed; {missing} are needed and not requested."
            )
    if options.prices.are_given:
        spare, lacking = group.money(options.prices)
        yield f"Price for a month: {spare:.2f} not needed, {lacking:.2f} not requested."
    if options.top and (left := max(len(over), len(under)) - options.top) > 0:
        yield f"--top leaves out up to {left} workloads of each table; the totals have all."
    if not found.workloads:
        yield "No workload has a profile with known requests."
    if found.unknown:
        names = _joined(f"{one.namespace}/{one.name}" for _, one in found.unknown[:5])
        more = f" and {len(found.unknown) - 5} more" if len(found.unknown) > 5 else ""
        yield (
            "Left out, since requests or replicas are not known (what runs to completion has no replicas):"
            f" {names}{more}."
        )
    if found.ignored:
        yield f"{found.ignored} workloads are ignored."
    if any(each.governors for each in found.workloads):
        yield (
            "SCALED BY: an HPA scales on the share of the request that is used, so another request changes"
            " the replicas; a VPA sets the requests itself where it has a recommendation."
        )
    if any(each.policy for each in found.workloads):
        yield (
            "POLICY: what annotations do to requests. Savings are those of the need; `plan` shows what the"
            " webhook would set."
        )
    yield from scaling_sentences((each.workload, each.scaling) for each in found.workloads)
    yield from options.notes


def _document(found: Savings, options: SavingsOptions) -> dict[str, Any]:
    ordered = in_order(found.workloads, options.sort, options.prices)
    prices = {"cpu": options.prices.cpu, "memory": options.prices.memory}
    return {
        "apiVersion": API_VERSION,
        "kind": SAVINGS,
        "source": options.source,
        "pricesPerMonth": {name: float(price) for name, price in prices.items() if price is not None},
        "total": _total(found.total(), options.prices),
        "clusters": [_total(group, options.prices) for group in found.by_cluster()],
        "namespaces": [_total(group, options.prices) for group in found.by_namespace()],
        "workloads": [_item(each, options.prices) for each in ordered[: options.top or len(ordered)]],
        "unknown": [identity(cluster, workload) for cluster, workload in found.unknown],
        "ignored": found.ignored,
        "notes": list(options.notes),
    }


def _item(each: WorkloadSaving, prices: Prices) -> dict[str, Any]:
    item: dict[str, Any] = identity(each.cluster, each.workload) | {"replicas": each.replicas}
    for resource, saving in each.resources.items():
        item[resource.value] = {
            "request": number(saving.request),
            "need": number(saving.need),
            "difference": number(saving.difference),
            "amount": number(max(saving.difference, Decimal(0))),
        }
    item["limitsBelowNeed"] = list(each.limits_below)
    item |= {"autoscalers": list(map(str, each.governors)), "policy": list(each.policy)}
    if each.scaling:
        item["horizontalAutoscalers"] = scaling_items(each.scaling)
    return item | ({"pricePerMonth": _money(each.money(prices))} if prices.are_given else {})


def _total(group: Group, prices: Prices) -> Mapping[str, Any]:
    names = {"cluster": group.cluster, "namespace": group.namespace}
    total: dict[str, Any] = {name: text for name, text in names.items() if text}
    total["workloads"] = group.workloads
    for resource, one in group.totals.items():
        total[resource.value] = {
            "requested": number(one.requested),
            "needed": number(one.needed),
            "over": number(one.over),
            "under": number(one.under),
            "overShare": round(float(one.over_share), 4),
        }
    if prices.are_given:
        over, under = group.money(prices)
        total["pricePerMonth"] = {"over": _money(over), "under": _money(under)}
    return total

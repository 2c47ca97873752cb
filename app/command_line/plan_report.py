"""A plan as tables and as a document; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.command_line.documents import API_VERSION, ARROW, NO_REQUEST, UNIT_NAMES, identity, in_units, number
from app.command_line.printout import Column, Printout, Row, Table
from app.command_line.scaling_report import scaling_items, scaling_sentences
from app.decisions.differences import PLAN
from app.decisions.figures import ZERO
from app.decisions.plan import AmountChange, ContainerPlan, WorkloadPlan
from app.domain.profiles import Resource
from app.domain.shown_amounts import amount, signed


def _old_and_new(title: str, key: str, *, is_optional: bool = False) -> Column:
    exact = (f"{key}Old", f"{key}New")
    return Column(title, key, is_number=True, is_optional=is_optional, exact=exact)


_COLUMNS = (
    Column("WORKLOAD", "workload"),
    Column("KIND", "kind", is_wide=True),
    Column("PODS", "replicas", is_number=True),
    Column("CONTAINER", "container"),
    _old_and_new("CPU", "cpu"),
    _old_and_new("CPU LIMIT", "cpuLimit", is_optional=True),
    _old_and_new("MEMORY", "memory"),
    _old_and_new("MEMORY LIMIT", "memoryLimit", is_optional=True),
    Column("STAYS BECAUSE", "reason", is_optional=True),
    Column("POLICY", "policy", is_optional=True),
)
_TOTALS = (
    Column("NAMESPACE", "namespace"),
    Column("CORES NOW", "coresNow", "{:.2f}".format, is_number=True),
    Column("PLANNED", "coresPlanned", "{:.2f}".format, is_number=True),
    Column("CHANGE", "coresChange", signed, is_number=True),
    Column("GIB NOW", "gibNow", "{:.2f}".format, is_number=True),
    Column("PLANNED", "gibPlanned", "{:.2f}".format, is_number=True),
    Column("CHANGE", "gibChange", signed, is_number=True),
)


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What holds for the whole plan: the risk of the needs, if it is not that of the profiles, and notes."""

    risk: str = ""
    notes: Sequence[str] = ()


def plan_printout(plans: Sequence[WorkloadPlan], facts: PlanFacts) -> Printout:
    """A row for each container, and the totals of the namespaces."""
    rows = [row for plan in plans for row in _rows(plan)]
    totals = [_totals_row(namespace, group) for namespace, group in _by_namespace(plans)]
    if len(totals) > 1:
        totals.append(_totals_row("all", plans))
    tables = [
        Table("Requests that the webhook would set", _COLUMNS, rows),
        Table("Totals over all Pods", _TOTALS, totals),
    ]
    return Printout(_document(plans, facts), tables, after=list(_sentences(plans, facts)))


def _rows(plan: WorkloadPlan) -> Iterable[Row]:
    shared: dict[str, Any] = {
        "workload": f"{plan.workload.namespace}/{plan.workload.name}",
        "kind": plan.workload.kind,
        "replicas": plan.replicas,
    }
    if not plan.containers:
        yield shared | {"reason": plan.reason}
    for container in plan.containers:
        yield {**shared, **_cells(container), "policy": policy_of(plan, container)}
    for name in plan.added:
        yield shared | {"container": name, "reason": "not in the Pod template: it is added to Pods later"}


def _cells(container: ContainerPlan) -> Row:
    cells: dict[str, Any] = {"container": container.name, "reason": reason_of(container)}
    for resource, change in container.changes.items():
        cells[resource.value] = _change(resource, change.old, change.new)
        cells |= _exact(resource.value, change.old, change.new)
        if change.old_limit != change.new_limit:
            cells[f"{resource}Limit"] = _change(resource, change.old_limit, change.new_limit)
        cells |= _exact(f"{resource}Limit", change.old_limit, change.new_limit)
    return cells


def _exact(key: str, old: Decimal | None, new: Decimal | None) -> dict[str, float | int | None]:
    return {f"{key}Old": number(old), f"{key}New": number(new)}


def _change(resource: Resource, old: Decimal | None, new: Decimal | None) -> str:
    before, after = (NO_REQUEST if one is None else amount(resource, one) for one in (old, new))
    return before if old == new else f"{before}{ARROW}{after}"


def reason_of(container: ContainerPlan) -> str:
    """The reasons for the requests that stay; one that holds for both resources only once."""
    reasons = {resource: change.reason for resource, change in container.changes.items() if change.reason}
    if len(reasons) == len(Resource) and len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{resource}: {reason}" for resource, reason in reasons.items())


def policy_of(plan: WorkloadPlan, container: ContainerPlan) -> str:
    """What annotations change of a container's requests."""
    bounds = [
        f"{resource}: {change.policy}" for resource, change in container.changes.items() if change.policy
    ]
    return "; ".join([*([plan.risk] if plan.risk else []), *bounds])


def _by_namespace(plans: Sequence[WorkloadPlan]) -> list[tuple[str, list[WorkloadPlan]]]:
    groups: dict[str, list[WorkloadPlan]] = {}
    for plan in plans:
        groups.setdefault(plan.workload.namespace, []).append(plan)
    return sorted(groups.items())


def _totals_row(namespace: str, plans: Sequence[WorkloadPlan]) -> Row:
    row: dict[str, Any] = {"namespace": namespace}
    for resource, unit in UNIT_NAMES.items():
        old, new = (
            sum((plan.total(resource, new=is_new) for plan in plans), ZERO) for is_new in (False, True)
        )
        name = unit.casefold()
        row |= {f"{name}Now": in_units(resource, old), f"{name}Planned": in_units(resource, new)}
        row[f"{name}Change"] = in_units(resource, new - old)
    return row


def _sentences(plans: Sequence[WorkloadPlan], facts: PlanFacts) -> Iterable[str]:
    changed = sum(plan.has_changes for plan in plans)
    yield (
        f"{changed} of {len(plans)} workloads would change with scheduling on, as new Pods are created."
        if plans
        else "No workloads were found."
        if facts.notes
        else "There are no workloads in these namespaces."
    )
    if facts.risk:
        yield f"Needs are those at {facts.risk} risk."
    if any(plan.replicas is None for plan in plans):
        yield "What runs to completion has no number of Pods, and is in no total."
    yield from scaling_sentences((plan.workload, plan.scaling) for plan in plans)
    for plan in plans:
        yield from (f"{plan.workload}: {note}." for note in plan.vpa)
    yield from facts.notes


def _document(plans: Sequence[WorkloadPlan], facts: PlanFacts) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": PLAN,
        "risk": facts.risk or None,
        "totals": [dict(_totals_row(namespace, group)) for namespace, group in _by_namespace(plans)],
        "workloads": [_item(plan) for plan in plans],
        "notes": list(facts.notes),
    }


def _item(plan: WorkloadPlan) -> dict[str, Any]:
    item: dict[str, Any] = identity("", plan.workload) | {"replicas": plan.replicas}
    for resource in Resource:
        old, new = (plan.total(resource, new=is_new) for is_new in (False, True))
        item[resource.value] = {"now": number(old), "amount": number(new)}
    item["containers"] = [
        {"name": one.name} | {resource.value: _amounts(change) for resource, change in one.changes.items()}
        for one in plan.containers
    ]
    if plan.reason:
        item["reason"] = plan.reason
    if plan.risk:
        item["policy"] = plan.risk
    if plan.scaling:
        item["horizontalAutoscalers"] = scaling_items(plan.scaling)
    if plan.vpa:
        item["vpa"] = list(plan.vpa)
    return item | ({"addedLater": list(plan.added)} if plan.added else {})


def _amounts(change: AmountChange) -> dict[str, Any]:
    fields = {"old": number(change.old), "new": number(change.new)}
    if change.old_limit is not None or change.new_limit is not None:
        fields |= {"oldLimit": number(change.old_limit), "newLimit": number(change.new_limit)}
    words = {"reason": change.reason, "policy": change.policy}
    return fields | {key: text for key, text in words.items() if text}

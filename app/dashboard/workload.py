"""The view of one workload: its amounts, why they are so, its containers, peers and patch; pure."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from app.dashboard.connections import End, end_of, per_minute, per_second
from app.dashboard.facts import Facts, Needs
from app.dashboard.links import Links
from app.dashboard.rows import (
    NONE,
    Amount,
    ResourceCells,
    WorkloadRow,
    resource_cells,
    shown,
    workload_rows,
)
from app.decisions.changes import NeedChange, read_changes
from app.decisions.figures import ReplicaFigures
from app.decisions.patches import PatchForm, patch
from app.decisions.peers import Direction, Peer, peers_of
from app.decisions.plan import WorkloadPlan
from app.decisions.templates import WorkloadObject
from app.domain.explanation import PRESSURE_NAMES
from app.domain.profiles import Resource, RiskLevel
from app.domain.quantities import RESOURCE_NAMES, amount_in, format_time
from app.domain.shown_amounts import amount, share
from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workloads import Workload

_MOST_PEERS = 50


@dataclass(frozen=True, slots=True)
class ContainerRow:
    """One container: its need at each level of risk, its request and its limit."""

    name: str
    role: str
    need: Amount
    request: Amount
    limit: Amount
    low: Amount
    high: Amount


@dataclass(frozen=True, slots=True)
class SlotRow:
    """The need in one part of the UTC day; `length` is its percentage of the largest."""

    hours: str
    need: Amount
    length: int


@dataclass(frozen=True, slots=True)
class ResourceSection:
    """All on one resource; `facts` are pairs of a name and a text."""

    resource: Resource
    title: str
    cells: ResourceCells
    limit: Amount
    explanation: str
    facts: Sequence[tuple[str, str]]
    containers: Sequence[ContainerRow]
    slots: Sequence[SlotRow]
    signals: Sequence[str]


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One neighbour, what is not seen of the connection, and the messages and bytes that are exchanged."""

    end: End
    limits: str
    messages: Amount
    message_share: str
    sent: Amount
    received: Amount


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change of a need, and the reason in words."""

    time: str
    resource: str
    old: str
    new: str
    words: str


@dataclass(frozen=True, slots=True)
class PlannedPatch:
    """The planned requests as a patch, empty if nothing changes; the reasons say what stays, and why."""

    text: str
    command: str
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class WorkloadPage:
    """The values of the view; `callers` and `callees` are the first of all that there are.

    `policy` says what annotations do, in words.
    """

    workload: Workload
    row: WorkloadRow
    sections: Sequence[ResourceSection]
    changes: Sequence[ChangeRow]
    callers: Sequence[PeerRow]
    callees: Sequence[PeerRow]
    callers_total: int
    callees_total: int
    policy: Sequence[str] = ()


def workload_page(facts: Facts, needs: Needs, links: Links, workload: Workload) -> WorkloadPage:
    """The view of *workload*, which is one of *needs*."""
    (row,) = workload_rows(facts, links, [workload])
    manifests = needs.profiles.get(workload, {})
    peers = peers_of(workload, facts.edges.of(workload)) if facts.edges else []
    callers = [peer for peer in peers if peer.direction is Direction.CALLED_BY]
    callees = [peer for peer in peers if peer.direction is Direction.CALLS]
    history = read_changes(manifests.values(), workload)
    return WorkloadPage(
        workload,
        row,
        list(_sections(facts, needs, workload)),
        [_change(change) for change in history.changes],
        [_peer(peer, links) for peer in callers[:_MOST_PEERS]],
        [_peer(peer, links) for peer in callees[:_MOST_PEERS]],
        len(callers),
        len(callees),
        needs.figures[workload].policy,
    )


def find_workload(needs: Needs, namespace: str, name: str, kind: str) -> Workload | None:
    """The workload of this name, if it has a profile; without a kind, the only one of any."""
    if kind:
        wanted = Workload(namespace, name, kind)
        return wanted if wanted in needs.figures else None
    found = [one for one in needs.figures if (one.namespace, one.name) == (namespace, name)]
    return found[0] if len(found) == 1 else None


def planned_patch(plan: WorkloadPlan, found: WorkloadObject) -> PlannedPatch:
    """The patch of *plan* for kubectl."""
    document = patch(plan, found, PatchForm.STRATEGIC)
    workload = found.workload
    parts = ("kubectl", "patch", workload.kind.casefold(), workload.name, "-n", workload.namespace)
    return PlannedPatch(
        yaml.safe_dump(document, sort_keys=False) if document else "",
        f"{shlex.join(parts)} --patch-file patch.yaml",
        list(_reasons(plan)),
    )


def _reasons(plan: WorkloadPlan) -> Iterator[str]:
    if not plan.containers:
        yield f"Nothing changes: {plan.reason or 'it has no container that runs for long'}."
    for container in plan.containers:
        for resource, change in container.changes.items():
            if change.reason:
                yield f"{container.name} keeps its {RESOURCE_NAMES[resource]} request: {change.reason}."
    for name in plan.added:
        yield f"{name} is left out: it is not in the Pod template, but added to Pods later."


def _sections(facts: Facts, needs: Needs, workload: Workload) -> Iterator[ResourceSection]:
    figures, used = needs.figures[workload], facts.usage.get(workload, {})
    for resource, manifest in sorted(needs.profiles.get(workload, {}).items()):
        replica = figures.amounts.get(resource)
        if replica is None:
            continue
        status = mapping_in(manifest.get("status"))
        cells = resource_cells(resource, figures, needs.by_workload.get(workload), used.get(resource))
        yield ResourceSection(
            resource,
            RESOURCE_NAMES[resource][0].upper() + RESOURCE_NAMES[resource][1:],
            cells,
            shown(resource, replica.limit),
            text_in(status.get("explanation")),
            list(_facts(resource, status)),
            list(_containers(resource, replica, status)),
            _slots(resource, status),
            list(_signals(status)),
        )


def _facts(resource: Resource, status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    risk = mapping_in(status.get("risk"))
    if level := text_in(risk.get("level")):
        yield "Accepted risk", level
    for key, title in (
        ("timeAbove", "Expected time above the value"),
        ("timeAboveAtMost", "At most, on 9 of 10 days"),
        ("dayAboveChance", "Chance that a day's peak is above the value"),
    ):
        number = amount_in(risk.get(key))
        if number is not None and (key != "dayAboveChance") == (resource is Resource.CPU):
            yield title, share_of_risk(float(number))
    window = mapping_in(status.get("window"))
    if (start := text_in(window.get("start"))) and (end := text_in(window.get("end"))):
        yield "Samples from", f"{start} to {end}"
    if samples := count_in(status.get("samples")):
        yield "Samples", f"{samples:,}"
    for key, title in (("coverage", "Coverage"), ("confidence", "Confidence")):
        number = amount_in(status.get(key))
        if number is not None:
            yield title, share(number)


def share_of_risk(value: float) -> str:
    """A small share in percent: `0.4 %`."""
    return f"{value * 100:.1f} %"


def _containers(
    resource: Resource, replica: ReplicaFigures, status: Mapping[str, Any]
) -> Iterator[ContainerRow]:
    listed = {text_in(item.get("name")): item for item in map(mapping_in, list_in(status.get("containers")))}
    for container in replica.containers:
        item = listed.get(container.name, {})
        values = mapping_in(item.get("values"))
        yield ContainerRow(
            container.name,
            text_in(item.get("role")) or "application",
            shown(resource, container.need),
            shown(resource, container.request),
            shown(resource, container.limit),
            *(shown(resource, amount_in(values.get(level))) for level in (RiskLevel.LOW, RiskLevel.HIGH)),
        )


def _slots(resource: Resource, status: Mapping[str, Any]) -> list[SlotRow]:
    read = [
        (f"{text_in(slot.get('start'))} to {text_in(slot.get('end'))}", amount_in(slot.get("value")))
        for slot in map(mapping_in, list_in(status.get("slots")))
    ]
    largest = max((float(value) for _, value in read if value is not None), default=0.0) or 1.0
    return [
        SlotRow(hours, shown(resource, value), round(float(value or 0) / largest * 100))
        for hours, value in read
    ]


def _signals(status: Mapping[str, Any]) -> Iterator[str]:
    for signal in map(mapping_in, list_in(status.get("signals"))):
        container, reason, seen, raised = (
            text_in(signal.get(key)) for key in ("container", "reason", "lastSeen", "raisedBy")
        )
        number = amount_in(raised)
        more = f", raises its value by {share(number)}" if number else ""
        if container and reason:
            yield f"{PRESSURE_NAMES.get(reason, reason)} of {container}, last seen {seen or NONE}{more}."


def _peer(peer: Peer, links: Links) -> PeerRow:
    return PeerRow(
        end_of(peer.workload, links),
        ", ".join(peer.counting.limits),
        per_minute(peer.messages),
        share(peer.message_share),
        per_second(peer.sent),
        per_second(peer.received),
    )


def _change(one: NeedChange) -> ChangeRow:
    return ChangeRow(
        format_time(one.time),
        RESOURCE_NAMES[one.resource],
        amount(one.resource, one.old),
        amount(one.resource, one.new),
        one.words,
    )

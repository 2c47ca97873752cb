"""What happened to Pods, from the states that a watch reported. Pure: times are arguments."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
Resources = Mapping[str, Mapping[str, Mapping[str, str]]]  # by container: requests and limits


@dataclass(frozen=True, slots=True)
class PodState:
    """A Pod at a time, in seconds; `applied` are the resources that the kubelet reports."""

    at: float
    workload: str
    name: str
    resources: Resources
    applied: Resources
    is_ready: bool
    is_leaving: bool
    is_gone: bool

    @property
    def is_settled(self) -> bool:
        """True for a ready Pod whose kubelet reports what is asked for."""
        return self.is_ready and not self.is_leaving and not self.is_gone and self.resources == self.applied


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a Pod: `created`, `resized`, `leaves` or `gone`."""

    at: float
    workload: str
    pod: str
    what: str
    before: Resources
    after: Resources


def state_of(event: Object, at: float) -> PodState:
    """The state in an event of a watch; the label `app` names the workload."""
    pod = event["object"]
    metadata, status = pod["metadata"], pod.get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    return PodState(
        at,
        metadata.get("labels", {}).get("app", ""),
        metadata["name"],
        {one["name"]: one.get("resources", {}) for one in pod["spec"]["containers"]},
        {one["name"]: one.get("resources", {}) for one in status.get("containerStatuses", [])},
        is_ready=conditions.get("Ready") == "True",
        is_leaving="deletionTimestamp" in metadata,
        is_gone=event["type"] == "DELETED",
    )


def changes(states: Iterable[PodState]) -> Iterator[Change]:
    """What happened between the states, which are in order of time."""
    last: dict[str, PodState] = {}
    for state in states:
        before = last.get(state.name)
        if what := _difference(before, state):
            known = before.resources if before else {}
            yield Change(state.at, state.workload, state.name, what, known, state.resources)
        last[state.name] = state


def most_unsettled(states: Iterable[PodState], replicas: int) -> int:
    """The most of *replicas* that were not settled at one time, once all of them had been."""
    last: dict[str, PodState] = {}
    has_begun, most = False, 0
    for state in states:
        last[state.name] = state
        settled = sum(one.is_settled for one in last.values())
        has_begun |= settled >= replicas
        most = max(most, replicas - settled) if has_begun else 0
    return most


def shortest_gap(touched: Sequence[Change]) -> float | None:
    """The least number of seconds between two of the changes."""
    times = [change.at for change in touched]
    return min((later - sooner for sooner, later in itertools.pairwise(times)), default=None)


def _difference(before: PodState | None, state: PodState) -> str:
    if before is None:
        return "created"
    if state.is_gone:
        return "gone"
    if state.is_leaving:
        return "" if before.is_leaving else "leaves"
    return "resized" if state.resources != before.resources else ""

"""Which VerticalPodAutoscalers of its own the profiler applies and deletes: at most one per workload.

There is none of ours beside another writer's object for the same target.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.workloads import Workload
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.labels import LabelReading
from app.vpa.ownership import digest_of, own_manifest, own_name

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ObjectsByTarget:
    """All objects, by their target and by their key."""

    of_target: Mapping[Workload, Sequence[VerticalAutoscaler]]
    by_key: Mapping[Key, VerticalAutoscaler]


@dataclass(frozen=True, slots=True)
class Steps:
    """What is to be done for one workload; `fault` says why its object can't be applied."""

    apply: Mapping[str, Any] | None = None
    delete: Sequence[VerticalAutoscaler] = field(default_factory=tuple)
    fault: str = ""


NOTHING = Steps()


def by_target(autoscalers: Iterable[VerticalAutoscaler]) -> ObjectsByTarget:
    """The objects for `decide`."""
    of_target: dict[Workload, list[VerticalAutoscaler]] = {}
    by_key = {}
    for autoscaler in autoscalers:
        of_target.setdefault(autoscaler.target, []).append(autoscaler)
        by_key[autoscaler.key] = autoscaler
    return ObjectsByTarget(of_target, by_key)


def decide(
    workload: Workload, uid: str, reading: LabelReading, objects: ObjectsByTarget, recommender: str
) -> Steps:
    """The steps for a workload whose labels say *reading*."""
    present = objects.of_target.get(workload, ())
    own = [autoscaler for autoscaler in present if is_own(autoscaler)]
    if len(own) < len(present) or (reading.is_decided and reading.wanted is None):
        return Steps(delete=own) if own else NOTHING
    if not reading.is_decided or reading.wanted is None:
        return NOTHING
    name = own_name(workload)
    occupant = objects.by_key.get((workload.namespace, name))
    if occupant and not occupant.digest:
        return Steps(fault=f"the name {name} is taken by a VerticalPodAutoscaler of another writer")
    manifest = own_manifest(workload, uid, reading.wanted, recommender)
    if occupant and occupant.digest == digest_of(manifest):
        return NOTHING
    return Steps(apply=manifest)


def is_own(autoscaler: VerticalAutoscaler) -> bool:
    """True if the profiler keeps this object for its target; a copy under another name is a user's."""
    return bool(autoscaler.digest) and autoscaler.name == own_name(autoscaler.target)

"""Compares the annotations of Pods with those of their workload's profiles and plans repairs: pure decisions.

Scope, opt-out and size limit are those of admission. A workload's connections may change often, and each
change would touch all its Pods, so Pods follow such changes at most once an hour. A Pod is repaired at once
if it has no profile annotations, wrong CPU or memory annotations, a connection that is in neither the
current nor the last followed connections of its workload, or a summary of requests that it no longer has.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import (
    REQUESTS,
    connection_annotations,
    fit_annotations,
    merge_patch,
    need_annotations,
    size_bytes,
)
from app.domain.fair_shares import in_turn
from app.domain.pod_record import PodRecord
from app.domain.workloads import JOB, Workload

CONNECTION_UPDATE_SECONDS = 3600
_NONE: Mapping[str, str] = {}

# The CronJob of a Job, the Job itself if it has none, and None if the Job is not known.
FindJobOwner = Callable[[Workload], Workload | None]


@dataclass(frozen=True, slots=True)
class PodRepair:
    """One Pod and all profile annotations that it has to have.

    `was_missed`: the Pod was created without any, although its workload had a profile then.
    """

    pod: PodRecord
    annotations: Mapping[str, str]
    was_missed: bool = False

    @property
    def changes(self) -> dict[str, str | None]:
        """The annotations as a merge patch; an outdated summary of requests is removed."""
        outdated: dict[str, str | None] = {REQUESTS: None} if self.pod.outdated_summary else {}
        return outdated | merge_patch(self.pod.annotations, self.annotations)


@dataclass(frozen=True, slots=True)
class _ConnectionUpdate:
    """The connections that the Pods of one workload follow since `started_at_seconds`."""

    connections: Mapping[str, str]
    started_at_seconds: float


class RepairPlanner:
    """Compares Pods with the index; remembers for an hour which connections the Pods of a workload follow.

    The webhook guesses from a Job's name whether it is a CronJob's run; *find_job_owner* knows, as soon as
    the Job is listed.
    """

    def __init__(
        self,
        index: AnnotationIndex,
        in_scope: Callable[[str], bool],
        find_job_owner: FindJobOwner = lambda _job: None,
    ) -> None:
        self._index = index
        self._in_scope = in_scope
        self._find_job_owner = find_job_owner
        self._updates: dict[Workload, _ConnectionUpdate] = {}

    @property
    def is_ready(self) -> bool:
        """False until a kind of profile is listed: before, even a forged annotation might be correct."""
        return self._index.has_lists

    def plan(self, pods: Iterable[PodRecord], now_seconds: float) -> list[PodRepair]:
        """The repairs, unordered; empty while not ready."""
        if not self.is_ready:
            return []
        self._forget_old_updates(now_seconds)
        return [repair for pod in pods if (repair := self._plan_pod(pod, now_seconds))]

    def _plan_pod(self, pod: PodRecord, now_seconds: float) -> PodRepair | None:
        if pod.is_exempt or not self._in_scope(pod.namespace):
            return None
        undecided = self._undecided(pod)
        wanted = self._wanted(_without(pod, undecided), now_seconds)
        if undecided:
            wanted = {**wanted, **undecided}
        if pod.annotations == wanted and not pod.outdated_summary:
            return None
        return PodRepair(pod, wanted, was_missed=self._was_missed(pod))

    def _undecided(self, pod: PodRecord) -> Mapping[str, str]:
        """The Pod's profile annotations of kinds that are not listed: they may be correct, and stay."""
        if self._index.is_synced:
            return _NONE
        return {key: value for key, value in pod.annotations.items() if not self._index.decides(key)}

    def _wanted(self, pod: PodRecord, now_seconds: float) -> Mapping[str, str]:
        """The profile annotations that the Pod has to have now: those that it has, if they may stay."""
        owner = self._owner(pod.workload)
        complete = self._index.annotations(owner or pod.workload, may_be_scheduled=owner is None)
        if pod.annotations == complete:
            return complete
        wanted = fit_annotations(pod.foreign_bytes, complete)
        if pod.annotations == wanted:
            return wanted
        connections = connection_annotations(complete)
        may_wait = bool(pod.annotations) and need_annotations(pod.annotations) == need_annotations(wanted)
        may_follow = self._may_follow(pod.workload, connections, now_seconds) if may_wait else True
        may_stay = not may_follow and self._has_only_known(pod, connections)
        return pod.annotations if may_stay else wanted

    def _owner(self, workload: Workload) -> Workload | None:
        """The known owner of a Job's Pods; None for one that is not known, and for other kinds."""
        return self._find_job_owner(workload) if workload.kind == JOB else None

    def _may_follow(self, workload: Workload, connections: Mapping[str, str], now_seconds: float) -> bool:
        """True if the workload's Pods may take *connections*; an update that began applies to all of them."""
        update = self._updates.setdefault(workload, _ConnectionUpdate(connections, now_seconds))
        return update.connections == connections

    def _has_only_known(self, pod: PodRecord, connections: Mapping[str, str]) -> bool:
        """True if the Pod's connections are all in *connections* or in the workload's last update."""
        followed = self._updates[pod.workload].connections
        known = {*connections.values(), *followed.values()}
        return known.issuperset(connection_annotations(pod.annotations).values())

    def _forget_old_updates(self, now_seconds: float) -> None:
        oldest = now_seconds - CONNECTION_UPDATE_SECONDS
        expired = [
            workload for workload, update in self._updates.items() if update.started_at_seconds <= oldest
        ]
        for workload in expired:
            del self._updates[workload]

    def _was_missed(self, pod: PodRecord) -> bool:
        if pod.annotations or not pod.created_at_seconds:
            return False
        created_at, owner = datetime.fromtimestamp(pod.created_at_seconds, UTC), self._owner(pod.workload)
        return self._index.had_profile_before(
            owner or pod.workload, created_at, may_be_scheduled=owner is None
        )


def _without(pod: PodRecord, annotations: Mapping[str, str]) -> PodRecord:
    """The Pod as if *annotations* were another writer's."""
    if not annotations:
        return pod
    kept = {key: value for key, value in pod.annotations.items() if key not in annotations}
    foreign = pod.foreign_bytes + size_bytes(annotations)
    return msgspec.structs.replace(pod, annotations=kept, foreign_bytes=foreign)


def newest_first(repairs: Iterable[PodRepair]) -> list[PodRepair]:
    """The order of repairs: newest Pod first; Pods created in the same second by namespace and name.

    Namespaces take turns: one whose Pods change all the time delays no other for more than its turn.
    """
    by_name = sorted(repairs, key=lambda repair: (repair.pod.namespace, repair.pod.name))
    newest = sorted(by_name, key=lambda repair: repair.pod.created_at_seconds, reverse=True)
    return in_turn(newest, lambda repair: repair.pod.namespace)

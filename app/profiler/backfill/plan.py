"""Which Pods do not carry what their workload's profiles give, and what makes them right: pure decisions.

Scope, opt-out and size are those of admission. The connections of a workload may change often, and each
change would touch all of its Pods: these follow at most once an hour. A Pod does not wait that lacks our
annotations, names its CPU or memory profile wrong, or a connection that never was its workload's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from app.domain.annotation_index import AnnotationIndex
from app.domain.annotations import connection_annotations, fit_annotations, merge_patch, need_annotations
from app.domain.pod_record import PodRecord
from app.domain.quantities import parse_time
from app.domain.workloads import Workload

FOLLOWED_EVERY_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class PodRepair:
    """One Pod and all of our annotations that it is to carry.

    `was_missed` tells that it was created without any, though its workload had a profile by then.
    """

    pod: PodRecord
    annotations: Mapping[str, str]
    was_missed: bool = False

    @property
    def changes(self) -> dict[str, str | None]:
        """The annotations as a merge patch."""
        return merge_patch(self.pod.annotations, self.annotations)


@dataclass(frozen=True, slots=True)
class _Followed:
    connections: Mapping[str, str]
    since: float


class RepairPlanner:
    """Compares Pods with the index; remembers for an hour which connections were followed."""

    def __init__(self, index: AnnotationIndex, in_scope: Callable[[str], bool]) -> None:
        self._index = index
        self._in_scope = in_scope
        self._followed: dict[Workload, _Followed] = {}

    @property
    def is_ready(self) -> bool:
        """False while the index knows nothing for sure: even a forged annotation might be right."""
        return self._index.is_synced

    def plan(self, pods: Iterable[PodRecord], now_seconds: float) -> list[PodRepair]:
        """What is to be done, in no order; nothing while not ready."""
        if not self.is_ready:
            return []
        self._forget(now_seconds)
        return [mend for pod in pods if (mend := self._mend(pod, now_seconds))]

    def _mend(self, pod: PodRecord, now_seconds: float) -> PodRepair | None:
        if pod.is_exempt or not self._in_scope(pod.namespace):
            return None
        known = self._index.annotations(pod.workload)
        if pod.annotations == known:
            return None
        wanted = fit_annotations(pod.foreign_bytes, known)
        if pod.annotations == wanted:
            return None
        connections = connection_annotations(known)
        waits = bool(pod.annotations) and need_annotations(pod.annotations) == need_annotations(wanted)
        may_follow = self._may_follow(pod.workload, connections, now_seconds) if waits else True
        if not may_follow and self._were_given(pod, connections):
            return None
        return PodRepair(pod, wanted, was_missed=self._was_missed(pod))

    def _may_follow(self, workload: Workload, connections: Mapping[str, str], now_seconds: float) -> bool:
        """Pods of the workload may take on these; once begun, all of them may, however long that takes."""
        followed = self._followed.setdefault(workload, _Followed(connections, now_seconds))
        return followed.connections == connections

    def _were_given(self, pod: PodRecord, connections: Mapping[str, str]) -> bool:
        """The connections on the Pod are its workload's, now or by the set that was followed last."""
        followed = self._followed[pod.workload].connections
        ours = {*connections.values(), *followed.values()}
        return ours.issuperset(connection_annotations(pod.annotations).values())

    def _forget(self, now_seconds: float) -> None:
        oldest = now_seconds - FOLLOWED_EVERY_SECONDS
        for workload in [each for each, followed in self._followed.items() if followed.since <= oldest]:
            del self._followed[workload]

    def _was_missed(self, pod: PodRecord) -> bool:
        created_at = parse_time(pod.created_at)
        return (
            not pod.annotations
            and created_at is not None
            and self._index.had_profile_before(pod.workload, created_at)
        )


def newest_first(mends: Iterable[PodRepair]) -> list[PodRepair]:
    """In the order in which they are to be done; Pods of one second by name."""
    by_name = sorted(mends, key=lambda mend: (mend.pod.namespace, mend.pod.name))
    return sorted(by_name, key=lambda mend: mend.pod.created_at, reverse=True)

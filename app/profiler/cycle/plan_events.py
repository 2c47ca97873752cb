"""What is worth an Event on a workload: that a profile of it appeared, jumped or was removed; pure.

What one cycle brings for one workload, and is of one reason, is told at once: CPU, memory and connections,
which are their source's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from app.domain.profiles import Identity, ProfileKind, StoredProfile
from app.domain.workloads import NAMED_KINDS, Connection, Workload
from app.profiler.profile_write import ProfileWrite
from app.profiler.workload_event import EventReason, WorkloadEvent

# By more than this factor a value jumps: 50 % up, or a third down.
JUMP = Decimal("1.5")
_MOST_NAMED = 8
_API_VERSIONS: Mapping[str, str] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "DeploymentConfig": "apps.openshift.io/v1",
    "Rollout": "argoproj.io/v1alpha1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
}
_ORDER = list(ProfileKind)


@dataclass(frozen=True, slots=True)
class _Fact:
    """What became of one profile."""

    reason: EventReason
    identity: Identity
    values: str

    @property
    def told_to(self) -> Workload:
        """The workload that a person looks at."""
        subject = self.identity.subject
        return subject.source if isinstance(subject, Connection) else subject

    def __str__(self) -> str:
        """In the words of a message."""
        kind, subject = self.identity.kind, self.identity.subject
        if isinstance(subject, Connection):
            return f"{self.values} requests and responses a minute to {subject.destination}"
        return f"CPU {self.values} cores" if kind is ProfileKind.CPU else f"memory {self.values} bytes"


def plan_news(
    written: Iterable[ProfileWrite],
    removed: Iterable[StoredProfile],
    uids: Mapping[Workload, str],
    in_scope: Callable[[str], bool],
) -> list[WorkloadEvent]:
    """What is to be told after *written* was written and *removed* was removed, what matters most first.

    *uids* are those of the objects that are there. What is run again and again is learned under a name that
    no object needs to have: without one there is nobody to tell.
    """
    told: dict[tuple[EventReason, Workload], list[_Fact]] = {}
    for fact in (*_written(written), *_removed(removed)):
        told.setdefault((fact.reason, fact.told_to), []).append(fact)
    return [
        WorkloadEvent(workload, api_version, uids.get(workload, ""), reason, _message(reason, facts))
        for (reason, workload), facts in sorted(told.items(), key=_rank)
        if (api_version := _API_VERSIONS.get(workload.kind))
        and (workload.kind in NAMED_KINDS or workload in uids)
        and in_scope(workload.namespace)
    ]


def _rank(told: tuple[tuple[EventReason, Workload], object]) -> tuple[int, Workload]:
    (reason, workload), _ = told
    return list(EventReason).index(reason), workload


def _written(writes: Iterable[ProfileWrite]) -> Iterator[_Fact]:
    """What appeared, and what jumped; the traffic of a connection goes up and down too often."""
    for write in writes:
        identity, value = write.profile.identity, write.profile.value
        if write.before is None:
            yield _Fact(EventReason.CREATED, identity, value)
        elif identity.kind is not ProfileKind.CONNECTION and _jumped(write.before, value):
            yield _Fact(EventReason.CHANGED, identity, f"{write.before} → {value}")


def _removed(profiles: Iterable[StoredProfile]) -> Iterator[_Fact]:
    return (_Fact(EventReason.EXPIRED, profile.identity, profile.value) for profile in profiles)


def _jumped(before: str, after: str) -> bool:
    try:
        old, new = Decimal(before), Decimal(after)
    except InvalidOperation:
        return False  # no amount stood there
    return old.is_finite() and (new > JUMP * old or old > JUMP * new)


def _message(reason: EventReason, facts: list[_Fact]) -> str:
    facts.sort(key=lambda fact: (_ORDER.index(fact.identity.kind), fact.identity.subject))
    named, more = facts[:_MOST_NAMED], len(facts) - _MOST_NAMED
    text = ", ".join([*map(str, named), *([f"and {more} more"] if more > 0 else [])])
    return f"no new samples, so removed: {text}" if reason is EventReason.EXPIRED else text

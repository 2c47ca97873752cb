"""Pods of which nothing is left but a name: the exact patterns in which controllers spell them."""

import re
from collections.abc import Iterable

from app.domain.workloads import CRON_JOB, GENERATED, JOB, Workload

# The ReplicaSet controller spells a 32-bit hash in decimal and maps its digits to these ten characters.
_HASHED = re.compile(rf"(?P<name>.+)-[456789bcdf]{{6,10}}-{GENERATED}")
_NUMBERED = re.compile(r"(?P<name>.+)-[0-9]+")
# A Job of a CronJob bears the minute or second of its schedule.
_SCHEDULED = re.compile(rf"(?P<name>.+)-[0-9]{{8,10}}-{GENERATED}")
_GENERATED = re.compile(rf"(?P<name>.+)-{GENERATED}")
# Hashes of other controllers, and of the past; a word is none, a number is a schedule's.
_HASHED_ANYHOW = re.compile(
    r"(?P<name>.+)-(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{5,10}-[a-z0-9]{5}",
)
# What these patterns match is only said of workloads that are known to exist: alone they fit too much. The
# strictest come first, so that of look-alikes the one is found whose controller spells names so.
_OF_KNOWN = (
    (_HASHED, ("Deployment", "Rollout")),
    (_NUMBERED, ("StatefulSet",)),
    (_SCHEDULED, (CRON_JOB,)),
    (_GENERATED, ("DaemonSet", "ReplicationController", "ReplicaSet")),
    (_HASHED_ANYHOW, ("Deployment", "Rollout")),
)
# Generated names cut their base at 58 characters: a name this long may have lost its hash.
_GENERATED_NAME_LENGTH, _BASE_LENGTH = 63, 58
# What follows the name of a workload whose kind is known: whole, and as much of it as fits into a cut base.
# It is looser than what is above, by which one of all workloads is found: here a known one is only doubted.
_ANY_GENERATED = "-[a-z0-9]{5}"
# A word is no hash, but for one of its letters.
_HASH = "-(?:[0-9a-f]{6,10}|(?=[a-z]*[0-9])[a-z0-9]{6,10})"
_TAILS = {
    "Deployment": (re.compile(_HASH + _ANY_GENERATED), re.compile("(-[a-z0-9]{0,10}-?)?")),
    "StatefulSet": (re.compile("-[0-9]+"), None),
    CRON_JOB: (re.compile(f"-[0-9]{{8,10}}(-[0-9]+)?{_ANY_GENERATED}"), re.compile("(-[0-9]{0,10}-?)?")),
    **dict.fromkeys(
        (JOB, "DaemonSet", "ReplicationController", "ReplicaSet"),
        (re.compile(_ANY_GENERATED), re.compile("-?")),
    ),
}


def may_name(workload: Workload, pod: str) -> bool:
    """True where the controller of *workload* may have made the name *pod*; False for kinds unknown here.

    Of two workloads whose controllers may have made it, as of a Rollout and a Deployment of the same name, it
    does not tell which did.
    """
    if workload.kind not in _TAILS:
        return False
    whole, cut = _TAILS[workload.kind]
    if pod.startswith(workload.name) and whole.fullmatch(pod, len(workload.name)):
        return True
    if cut is None or len(pod) != _GENERATED_NAME_LENGTH:
        return False
    base = pod[:_BASE_LENGTH]
    return base.startswith(workload.name[:_BASE_LENGTH]) and bool(cut.fullmatch(base, len(workload.name)))


class PodNames:
    """Attributes Pod names to workloads by their exact pattern.

    Never by prefix: `web-api-5f5b555dff-fcg7c` is a Pod of `web-api` and not one of `web`.
    """

    def __init__(self, known: Iterable[Workload] = ()) -> None:
        self._known = frozenset(known)

    def workload(self, namespace: str, pod: str) -> Workload | None:
        """The workload that generated the name *pod*, or None where no pattern fits."""
        if len(pod) >= _GENERATED_NAME_LENGTH:
            return None
        for pattern, kinds in _OF_KNOWN:
            if match := pattern.fullmatch(pod):
                for kind in kinds:
                    if (candidate := Workload(namespace, match["name"], kind)) in self._known:
                        return candidate
        match = _HASHED.fullmatch(pod)
        return Workload(namespace, match["name"]) if match else None

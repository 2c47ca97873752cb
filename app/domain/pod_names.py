"""Attribution of terminated Pods to workloads by the name patterns of controllers."""

import re
from collections.abc import Iterable

from app.domain.workloads import CRON_JOB, GENERATED, JOB, Workload

# Deployment controllers write a 32-bit hash in decimal and map the ten digits to these ten characters.
_HASHED = re.compile(rf"(?P<name>.+)-[456789bcdf]{{6,10}}-{GENERATED}")
_NUMBERED = re.compile(r"(?P<name>.+)-[0-9]+")
# The name of a CronJob's Job ends in the minute or second of its schedule.
_SCHEDULED = re.compile(rf"(?P<name>.+)-[0-9]{{8,10}}-{GENERATED}")
_GENERATED = re.compile(rf"(?P<name>.+)-{GENERATED}")
# The ReplicationController of a DeploymentConfig is numbered.
_NUMBERED_GENERATED = re.compile(rf"(?P<name>.+)-[0-9]+-{GENERATED}")
# Hashes of other controllers and older versions: letters and digits mixed, since letters alone are a word and
# digits alone are a schedule.
_OTHER_HASH = re.compile(
    r"(?P<name>.+)-(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{5,10}-[a-z0-9]{5}",
)
# These patterns match too many names, so a match counts only if the workload exists. The strictest pattern
# comes first, and so wins if several workloads fit.
_KINDS_BY_PATTERN = (
    (_HASHED, ("Deployment", "Rollout")),
    (_NUMBERED, ("StatefulSet",)),
    (_SCHEDULED, (CRON_JOB,)),
    (_NUMBERED_GENERATED, ("DeploymentConfig",)),
    (_GENERATED, ("DaemonSet", "ReplicationController", "ReplicaSet")),
    (_OTHER_HASH, ("Deployment", "Rollout")),
)
# Per kind of an object that a controller creates: the pattern of its name, and the kinds of that controller.
# A mesh names the Deployment of a ReplicaSet itself, so Rollouts come first.
_CONTROLLED = {
    "ReplicaSet": (re.compile(r"(?P<name>.+)-[456789bcdf]{6,10}"), ("Rollout", "Deployment")),
    "ReplicationController": (_NUMBERED, ("DeploymentConfig",)),
    JOB: (re.compile(r"(?P<name>.+)-[0-9]{8,10}"), (CRON_JOB,)),
}
_POD_OF_CONTROLLED = re.compile(rf"(?P<name>.+)-{GENERATED}")
# The API server cuts the base of a generated name at 58 characters: a name of 63 may have lost its hash.
_GENERATED_NAME_LENGTH, _BASE_LENGTH = 63, 58
# Per kind, what follows the workload's name: the whole tail, and the part of it that remains in a cut base.
# These patterns are looser than those above, since they only check a workload that is already given.
_ANY_GENERATED = "-[a-z0-9]{5}"
# A hash is hexadecimal or contains a digit; other words are not hashes.
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


def may_generate(workload: Workload, pod: str) -> bool:
    """True if the controller of *workload* may have generated the name *pod*; False for other kinds.

    Several workloads may fit: a Rollout generates the same names as a Deployment of its name.
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


def creator_name(pod: str) -> str:
    """The name of the object that created the Pod with this generated name; empty for any other name."""
    match = _POD_OF_CONTROLLED.fullmatch(pod)
    return match["name"] if match and len(pod) < _GENERATED_NAME_LENGTH else ""


class PodNames:
    """Attributes Pod names to workloads by exact pattern.

    A common prefix is not enough: `web-api-5f5b555dff-fcg7c` is a Pod of `web-api`, not of `web`.
    """

    def __init__(self, workloads: Iterable[Workload] = ()) -> None:
        self._workloads = frozenset(workloads)

    def workload(self, namespace: str, pod: str, *, may_be_unknown: bool = True) -> Workload | None:
        """The workload with a Pod named *pod*; None if no pattern fits.

        If it *may_be_unknown*, a name with a Deployment's hash is that of a Deployment in any case.
        """
        if len(pod) >= _GENERATED_NAME_LENGTH:
            return None
        for pattern, kinds in _KINDS_BY_PATTERN:
            if match := pattern.fullmatch(pod):
                for kind in kinds:
                    if (candidate := Workload(namespace, match["name"], kind)) in self._workloads:
                        return candidate
        match = _HASHED.fullmatch(pod) if may_be_unknown else None
        return Workload(namespace, match["name"]) if match else None

    def controller(self, controlled: Workload) -> Workload | None:
        """The controller of a ReplicaSet, ReplicationController or Job of that name, if one is known."""
        pattern, kinds = _CONTROLLED.get(controlled.kind, (_NUMBERED, ()))
        match = pattern.fullmatch(controlled.name)
        names = (Workload(controlled.namespace, match["name"], kind) for kind in kinds if match)
        return next((name for name in names if name in self._workloads), None)

"""Pods of which nothing is left but a name: the exact patterns in which controllers spell them."""

import re
from collections.abc import Iterable

from app.domain.workloads import Workload

# The ReplicaSet controller spells a 32-bit hash in decimal and maps its digits to these ten characters.
_HASH = "[456789bcdf]{6,10}"
_OF_DEPLOYMENT = re.compile(rf"(?P<name>.+)-{_HASH}-[a-z0-9]{{5}}")
# What these patterns match is only said of workloads that are known to exist: alone they fit too much.
_OF_KNOWN = (
    ("Deployment", re.compile(r"(?P<name>.+)-[a-z0-9]{5,10}-[a-z0-9]{5}")),
    ("Rollout", re.compile(r"(?P<name>.+)-[a-z0-9]{5,10}-[a-z0-9]{5}")),
    ("StatefulSet", re.compile(r"(?P<name>.+)-[0-9]+")),
    ("DaemonSet", re.compile(r"(?P<name>.+)-[a-z0-9]{5}")),
)
# Generated names cut their base at 58 characters: a name this long may have lost its hash.
_GENERATED_NAME_LENGTH = 63


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
        for kind, pattern in _OF_KNOWN:
            match = pattern.fullmatch(pod)
            if match and (candidate := Workload(namespace, match["name"], kind)) in self._known:
                return candidate
        match = _OF_DEPLOYMENT.fullmatch(pod)
        return Workload(namespace, match["name"]) if match else None

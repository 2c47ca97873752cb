"""Which workload a Pod belongs to: by its owner at admission, by its exact name for Pods of the past."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

POD_TEMPLATE_HASH = "pod-template-hash"

# The ReplicaSet controller spells a 32-bit hash in decimal and maps its digits to these ten characters.
_HASH = "[456789bcdf]{6,10}"
_POD_OF_DEPLOYMENT = re.compile(rf"(?P<deployment>.+)-{_HASH}-[a-z0-9]{{5}}")
_POD_OF_KNOWN_DEPLOYMENT = re.compile(r"(?P<deployment>.+)-[a-z0-9]{5,10}-[a-z0-9]{5}")
# Generated names cut their base at 58 characters: a name this long may have lost its hash.
_GENERATED_NAME_LENGTH = 63


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """The identity of what runs as one or more like Pods."""

    namespace: str
    name: str
    kind: str = "Deployment"

    def __str__(self) -> str:
        """`namespace/name`, with the kind where it is not a Deployment."""
        prefix = "" if self.kind == "Deployment" else f"{self.kind}/"
        return f"{prefix}{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Connection:
    """A directed edge: `source` is the client, `destination` the server."""

    source: Workload
    destination: Workload

    def __str__(self) -> str:
        """`source → destination`."""
        return f"{self.source} → {self.destination}"


@dataclass(frozen=True, slots=True)
class Owner:
    """The controlling entry of a Pod's `ownerReferences`."""

    kind: str
    name: str


def owner_workload(namespace: str, owner: Owner | None, labels: Mapping[str, str]) -> Workload | None:
    """The workload that `owner` and the Pod's labels tell, or None for a Pod that nobody controls.

    A ReplicaSet named `<deployment>-<pod-template-hash>` belongs to that Deployment; any other owner is
    the workload itself.
    """
    if owner is None:
        return None
    template_hash = labels.get(POD_TEMPLATE_HASH, "")
    base = owner.name.removesuffix(f"-{template_hash}")
    if owner.kind == "ReplicaSet" and template_hash and base not in {"", owner.name}:
        return Workload(namespace, base, "Deployment")
    return Workload(namespace, owner.name, owner.kind)


class PodNames:
    """Attributes Pod names of the past to Deployments by the exact pattern of generated names.

    Never by prefix: `web-api-5f5b555dff-fcg7c` is a Pod of `web-api` and not one of `web`.
    """

    def __init__(self, deployments: Sequence[Workload] = ()) -> None:
        self._known = frozenset(workload for workload in deployments if workload.kind == "Deployment")

    def workload(self, namespace: str, pod: str) -> Workload | None:
        """The Deployment that generated the name *pod*, or None where no pattern fits."""
        if len(pod) >= _GENERATED_NAME_LENGTH:
            return None
        if match := _POD_OF_DEPLOYMENT.fullmatch(pod):
            return Workload(namespace, match["deployment"])
        # A hash that is not spelled by the controller counts only before a Deployment that is known to exist.
        if match := _POD_OF_KNOWN_DEPLOYMENT.fullmatch(pod):
            candidate = Workload(namespace, match["deployment"])
            return candidate if candidate in self._known else None
        return None

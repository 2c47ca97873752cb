"""A VerticalPodAutoscaler as a small record, read from an object that people can write."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workloads import Workload
from app.vpa.container_policies import ContainerPolicy, read_policies
from app.vpa.ownership import digest_of, has_our_marks
from app.vpa.status import AutoscalerStatus, read_status
from app.vpa.update_mode import UpdateMode

DEFAULT_RECOMMENDER = "default"  # serves the objects that name none
_NO_TARGET = Workload("", "", "")
_MAX_RECOMMENDERS = 8
# No object has a longer name, and no CRD a longer kind: a user's text may be of any length, and is compared
# with patterns of names.
_MAX_NAME, _MAX_KIND = 253, 63
_MODES = frozenset(UpdateMode)


class VerticalAutoscaler(msgspec.Struct, frozen=True, gc=False):
    """One object; without a name and a kind that a workload can have, `target` names none.

    `mode` is the API server's default if there is none. `recommenders` are the names without repetition.
    `digest` is of the fields that the profiler sets on the objects that it keeps; of others it is empty.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    target: Workload
    mode: UpdateMode
    recommenders: tuple[str, ...]
    policies: tuple[ContainerPolicy, ...] = ()
    status: AutoscalerStatus = AutoscalerStatus()
    min_replicas: int | None = None
    digest: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        """The namespace and the name."""
        return self.namespace, self.name

    @property
    def has_target(self) -> bool:
        """True if a workload can have the name of the target."""
        return bool(self.target.name and self.target.kind)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def read_autoscaler(manifest: Mapping[str, Any]) -> VerticalAutoscaler:
    """The record of an object."""
    metadata, spec = mapping_in(manifest.get("metadata")), mapping_in(manifest.get("spec"))
    namespace = text_in(metadata.get("namespace"))
    reference = mapping_in(spec.get("targetRef"))
    name, kind = text_in(reference.get("name")), text_in(reference.get("kind"))
    can_exist = 0 < len(name) <= _MAX_NAME and 0 < len(kind) <= _MAX_KIND
    update_policy = mapping_in(spec.get("updatePolicy"))
    mode = text_in(update_policy.get("updateMode"))
    listed = map(mapping_in, list_in(spec.get("recommenders"))[:_MAX_RECOMMENDERS])
    names = dict.fromkeys(text_in(recommender.get("name")) for recommender in listed)
    return VerticalAutoscaler(
        namespace,
        text_in(metadata.get("name")),
        text_in(metadata.get("uid")),
        text_in(metadata.get("resourceVersion")),
        count_in(metadata.get("generation")),
        Workload(namespace, name, kind) if can_exist else _NO_TARGET,
        UpdateMode(mode) if mode in _MODES else UpdateMode.RECREATE,
        tuple(names) or (DEFAULT_RECOMMENDER,),
        read_policies(spec),
        read_status(manifest.get("status")),
        count_in(update_policy.get("minReplicas")) or None,
        digest_of(manifest) if has_our_marks(manifest) else b"",
    )

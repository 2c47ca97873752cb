"""A VerticalPodAutoscaler as a small record, read from an object that people can write."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from app.domain.untyped import count_in, list_in, mapping_in, text_in
from app.domain.workloads import Workload
from app.vpa.container_policies import ContainerPolicy, read_policies
from app.vpa.status import AutoscalerStatus, read_status

DEFAULT_RECOMMENDER = "default"  # serves the objects that name none
_NO_TARGET = Workload("", "", "")
_MAX_RECOMMENDERS = 8


class UpdateMode(StrEnum):
    """What is done with a recommendation; `Off` does nothing."""

    OFF = "Off"
    INITIAL = "Initial"
    RECREATE = "Recreate"
    IN_PLACE_OR_RECREATE = "InPlaceOrRecreate"
    IN_PLACE = "InPlace"
    AUTO = "Auto"


_MODES = frozenset(UpdateMode)


class VerticalAutoscaler(msgspec.Struct, frozen=True, gc=False):
    """One object; without a name or a kind, `target` names no workload.

    `mode` is the API server's default if there is none. `recommenders` are the names without repetition.
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
    mode = text_in(mapping_in(spec.get("updatePolicy")).get("updateMode"))
    listed = map(mapping_in, list_in(spec.get("recommenders"))[:_MAX_RECOMMENDERS])
    names = dict.fromkeys(text_in(recommender.get("name")) for recommender in listed)
    return VerticalAutoscaler(
        namespace,
        text_in(metadata.get("name")),
        text_in(metadata.get("uid")),
        text_in(metadata.get("resourceVersion")),
        count_in(metadata.get("generation")),
        Workload(namespace, name, kind) if name and kind else _NO_TARGET,
        UpdateMode(mode) if mode in _MODES else UpdateMode.RECREATE,
        tuple(names) or (DEFAULT_RECOMMENDER,),
        read_policies(spec),
        read_status(manifest.get("status")),
    )

"""The webhook's decision without a server: its indexes, filled from lists instead of watches."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from app.decisions.figures import value_at
from app.decisions.plan import Planner
from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import ProfileKind, RiskLevel
from app.domain.untyped import list_in, mapping_in
from app.kubernetes.list_options import Object
from app.kubernetes.object_types import checked, name_of
from app.rightsizing.constraints import read_limit_range, read_quota
from app.rightsizing.governors import read_horizontal
from app.rightsizing.policy import SchedulingPolicy
from app.runtime.watches.constraints import constraint_reader
from app.vpa.governing import read_vertical
from app.webhook.constraint_index import ConstraintIndex, ConstraintObject
from app.webhook.decisions import AdmissionState
from app.webhook.need_index import NeedIndex
from app.webhook.pod_sizer import PodSizer
from app.webhook.prepared import PreparedDecisions

log = structlog.get_logger(__name__)
T = TypeVar("T")
Manifest = Mapping[str, Any]
_MAX_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class ListedObjects:
    """The objects on which the webhook's decision rests, as the API server lists them."""

    profiles: Mapping[ProfileKind, Iterable[Manifest]] = field(default_factory=dict)
    limit_ranges: Iterable[Manifest] = ()
    quotas: Iterable[Manifest] = ()
    horizontal_autoscalers: Iterable[Manifest] = ()
    vertical_autoscalers: Iterable[Manifest] = ()


def open_planner(
    objects: ListedObjects,
    policy: SchedulingPolicy,
    in_scope: Callable[[str], bool] = lambda _: True,
    risk: RiskLevel | None = None,
) -> Planner:
    """A planner with the webhook's own sizer; with *risk*, from the stored needs at that level."""
    catalogue = ProfileCatalogue(with_containers=True, with_last_write=False)
    for kind in ProfileKind:
        catalogue.replace(kind, (_at_risk(manifest, risk) for manifest in objects.profiles.get(kind, ())))
    index = AnnotationIndex(catalogue, max_connections=_MAX_CONNECTIONS)
    needs = NeedIndex(catalogue, index)
    constraints = _constraints(objects)
    sizer = PodSizer(needs, constraints, policy)
    state = AdmissionState(index, PreparedDecisions(catalogue, index), in_scope, sizer)
    return Planner(state, needs, constraints, policy)


def _at_risk(manifest: Manifest, risk: RiskLevel | None) -> Manifest:
    """The profile with the needs of its containers at *risk*, where they are stored."""
    if risk is None:
        return manifest
    changed = deepcopy(dict(manifest))
    for container in list_in(mapping_in(changed.get("status")).get("containers")):
        if isinstance(container, dict):
            container["value"] = value_at(container, risk)
    return changed


def _constraints(objects: ListedObjects) -> ConstraintIndex:
    index = ConstraintIndex()
    index.namespaces.replace(())  # a planned Pod has the label, so that its namespace's does not count
    index.limit_ranges.replace(_objects(objects.limit_ranges, read_limit_range))
    index.quotas.replace(_objects(objects.quotas, read_quota))
    index.horizontal_autoscalers.replace(_objects(objects.horizontal_autoscalers, read_horizontal))
    index.vertical_autoscalers.replace(_objects(objects.vertical_autoscalers, read_vertical))
    return index


def _objects(manifests: Iterable[Manifest], read: Callable[[Object], T]) -> list[ConstraintObject[T]]:
    """The objects that can be read; others are left out, as the webhook's watches do."""
    convert = constraint_reader(read)
    found: list[ConstraintObject[T]] = []
    for manifest in map(dict, manifests):
        try:
            found.append(convert(checked(manifest)))
        except Exception as error:  # noqa: BLE001 - an object may have any content
            log.warning("object_left_out", name=name_of(manifest), fault=str(error))
    return found

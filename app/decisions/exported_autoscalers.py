"""VerticalPodAutoscalers for workloads as manifests that a person keeps, such as in a repository."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.decisions.templates import WorkloadObject
from app.domain.annotations import VPA_LABEL, Labels, vpa_labels
from app.domain.untyped import mapping_in
from app.domain.workloads import Workload
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.keeping import ObjectsByTarget, by_target, is_own
from app.vpa.labels import label_faults, read_labels
from app.vpa.ownership import KEPT_KINDS, exported_name, manifest_of
from app.vpa.update_mode import UpdateMode


@dataclass(frozen=True, slots=True)
class ExportedAutoscalers:
    """The manifests, and a sentence for each workload that has none."""

    manifests: Sequence[dict[str, Any]]
    notes: Sequence[str]


def export_autoscalers(
    workloads: Iterable[WorkloadObject],
    namespaces: Mapping[str, Labels],
    autoscalers: Iterable[VerticalAutoscaler],
    recommender: str,
    mode: UpdateMode | None = None,
) -> ExportedAutoscalers:
    """An object for each workload, as the labels of its template and namespace say, or of the given *mode*.

    Without either the mode is Off. One that the profiler keeps is exported, since this one takes its place,
    and so is one that was exported before.
    """
    objects, manifests, notes = by_target(autoscalers), [], []
    for found in workloads:
        workload = found.workload
        name = exported_name(workload)
        obstacle = _obstacle(workload, name, objects, recommender)
        template, namespace = _labels(found), namespaces.get(workload.namespace, ())
        reading = read_labels(template if mode is None else _with(template, mode), _or_off(namespace))
        if workload.kind not in KEPT_KINDS:
            notes.append(f"{workload.full_name} is left out: its Pods are there before an object could be")
        elif obstacle:
            notes.append(f"{workload.full_name} is left out: {obstacle}")
        elif not reading.is_decided:
            faults = (*label_faults(template, "the Pod template"), *label_faults(namespace, "the namespace"))
            notes.append(f"{workload.full_name} is left out: {'; '.join(faults)}")
        elif reading.wanted is None:
            notes.append(f"{workload.full_name} is left out: it opts out by its label")
        else:
            manifests.append(manifest_of(workload, reading.wanted, recommender, name=name))
    return ExportedAutoscalers(manifests, notes)


def _obstacle(workload: Workload, name: str, objects: ObjectsByTarget, recommender: str) -> str:
    """The object beside which, or over which, one of this *name* is not to be applied; empty without any."""
    for one in objects.of_target.get(workload, ()):
        is_exported = one.name == name and one.recommenders == (recommender,)
        if not is_own(one) and not is_exported:
            return f"{one.name} targets it"
    occupant = objects.by_key.get((workload.namespace, name))
    return f"{name} targets another workload" if occupant and occupant.target != workload else ""


def _labels(found: WorkloadObject) -> Labels:
    return vpa_labels(mapping_in(mapping_in(found.template.get("metadata")).get("labels")))


def _with(labels: Labels, mode: UpdateMode) -> Labels:
    return tuple((dict(labels) | {VPA_LABEL: mode.value}).items())


def _or_off(labels: Labels) -> Labels:
    return tuple(({VPA_LABEL: UpdateMode.OFF.value} | dict(labels)).items())

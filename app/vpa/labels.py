"""The labels that ask for a VerticalPodAutoscaler, on a Pod template and on its namespace.

What opts out, a namespace or the Pods of one workload, gets none.

Each label is decided on its own, by the template if it has it. A value that is wrong becomes a sentence, and
decides nothing: what was made before stays as it is, since another mode may evict Pods.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from app.domain.annotations import (
    VPA_CONTROLLED_VALUES,
    VPA_LABEL,
    VPA_LABELS,
    VPA_MIN_REPLICAS,
    Labels,
    opted_out,
)
from app.vpa.update_mode import UpdateMode

MODES = (UpdateMode.OFF, UpdateMode.INITIAL, UpdateMode.IN_PLACE_OR_RECREATE, UpdateMode.RECREATE)
_REQUESTS_ONLY, _REQUESTS_AND_LIMITS = "RequestsOnly", "RequestsAndLimits"
_REPLICAS = re.compile("[1-9][0-9]{0,5}")
_MAX_SHOWN = 63  # the API server takes no longer values


class WantedAutoscaler(msgspec.Struct, frozen=True, gc=False):
    """What an object is to have; without `min_replicas`, the updater's own minimum counts."""

    mode: UpdateMode
    requests_only: bool = True
    min_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class LabelReading:
    """What the labels say of one workload: the object that is `wanted`, if any.

    With a wrong value for it, nothing `is_decided`.
    """

    wanted: WantedAutoscaler | None = None
    is_decided: bool = True


UNDECIDED = LabelReading(is_decided=False)


def read_labels(template: Labels, namespace: Labels) -> LabelReading:
    """What the labels of a Pod template and of its namespace say together."""
    found = dict(namespace) | dict(template)
    if VPA_LABEL not in found or opted_out(dict(namespace)) or opted_out(dict(template)):
        return LabelReading()
    if any(_fault(key, value) for key, value in found.items() if key in VPA_LABELS):
        return UNDECIDED
    replicas = found.get(VPA_MIN_REPLICAS)
    return LabelReading(
        WantedAutoscaler(
            UpdateMode(found[VPA_LABEL]),
            found.get(VPA_CONTROLLED_VALUES, _REQUESTS_ONLY) == _REQUESTS_ONLY,
            int(replicas) if replicas else None,
        )
    )


def label_faults(labels: Labels, place: str) -> Iterator[str]:
    """What is wrong with the labels of one object, which *place* names."""
    for key, value in labels:
        if fault := _fault(key, value):
            yield f"{key} of {place} {fault}"


def _fault(key: str, value: str) -> str:
    """What is wrong with one label; empty if nothing is."""
    shown = repr(value[:_MAX_SHOWN])
    if key == VPA_LABEL:
        return "" if value in MODES else f"is {shown}: use {_alternatives(MODES)}"
    if key == VPA_CONTROLLED_VALUES:
        choices = (_REQUESTS_ONLY, _REQUESTS_AND_LIMITS)
        return "" if value in choices else f"is {shown}: use {_alternatives(choices)}"
    if key == VPA_MIN_REPLICAS:
        return "" if _REPLICAS.fullmatch(value) else f"is {shown}: use a number of Pods, 1 or more"
    if key.startswith(VPA_LABEL):
        return f"is not known: use {_alternatives(VPA_LABELS)}"
    return ""


def _alternatives(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}"

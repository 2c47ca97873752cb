"""The status of a VerticalPodAutoscaler: recommendations, conditions, and the form in which it is stored."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.domain.profiles import Resource
from app.domain.untyped import count_in, list_in, mapping_in, text_in

_MAX_LISTED = 128
_PARTS = ("target", "lowerBound", "upperBound", "uncappedTarget")
Quantities = Mapping[Resource, str]


class ContainerRecommendation(msgspec.Struct, frozen=True, gc=False):
    """The quantities for one container; `uncapped` is its target without any bounds."""

    container: str
    target: Quantities
    lower: Quantities
    upper: Quantities
    uncapped: Quantities


class Condition(msgspec.Struct, frozen=True, gc=False):
    """A condition; `since`, in RFC 3339, is the time of its last change from or to another status."""

    type: str
    is_true: bool
    reason: str = ""
    message: str = ""
    since: str = ""


class AutoscalerStatus(msgspec.Struct, frozen=True, gc=False):
    """The status; conditions are in order of their type."""

    recommendations: tuple[ContainerRecommendation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0

    def says_the_same(self, other: "AutoscalerStatus") -> bool:
        """True if only times of conditions differ."""
        return self.without_times() == other.without_times()

    def at(self, now: str, stored: "AutoscalerStatus") -> "AutoscalerStatus":
        """This status with the times of its conditions: that in *stored* where the status is the same."""
        known = {(condition.type, condition.is_true): condition.since for condition in stored.conditions}
        timed = (
            msgspec.structs.replace(
                condition, since=known.get((condition.type, condition.is_true), "") or now
            )
            for condition in self.conditions
        )
        return msgspec.structs.replace(self, conditions=tuple(timed))

    def without_times(self) -> "AutoscalerStatus":
        """The same without times of conditions."""
        timeless = (msgspec.structs.replace(condition, since="") for condition in self.conditions)
        return msgspec.structs.replace(self, conditions=tuple(timeless))


def ordered(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """*conditions* in the order of a status."""
    return tuple(sorted(conditions, key=lambda condition: condition.type))


def to_manifest(status: AutoscalerStatus, *, replaces_recommendation: bool = False) -> dict[str, Any]:
    """*status* as an object has it.

    Without recommendations the field is left out. With *replaces_recommendation* it is an empty list, since
    server-side apply leaves a field of another recommender as it is if the manifest has none.
    """
    items = [
        {"containerName": one.container}
        | {
            part: {resource.value: quantity for resource, quantity in quantities.items()}
            for part, quantities in zip(_PARTS, (one.target, one.lower, one.upper, one.uncapped), strict=True)
        }
        for one in status.recommendations
    ]
    manifest: dict[str, Any] = {
        "observedGeneration": status.observed_generation,
        "conditions": list(map(_to_item, status.conditions)),
    }
    if items or replaces_recommendation:
        manifest["recommendation"] = {"containerRecommendations": items}
    return manifest


def read_status(value: object) -> AutoscalerStatus:
    """The status of an object."""
    status = mapping_in(value)
    listed = list_in(mapping_in(status.get("recommendation")).get("containerRecommendations"))
    conditions = list_in(status.get("conditions"))
    return AutoscalerStatus(
        tuple(map(_read_recommendation, map(mapping_in, listed[:_MAX_LISTED]))),
        ordered(map(_read_condition, map(mapping_in, conditions[:_MAX_LISTED]))),
        count_in(status.get("observedGeneration")),
    )


def _read_recommendation(item: Mapping[str, Any]) -> ContainerRecommendation:
    quantities = (
        {resource: _text(written[resource.value]) for resource in Resource if resource.value in written}
        for written in (mapping_in(item.get(part)) for part in _PARTS)
    )
    return ContainerRecommendation(text_in(item.get("containerName")), *quantities)


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)[:32]


def _to_item(condition: Condition) -> dict[str, str]:
    item = {
        "type": condition.type,
        "status": "True" if condition.is_true else "False",
        "lastTransitionTime": condition.since,
        "reason": condition.reason,
        "message": condition.message,
    }
    return {key: text for key, text in item.items() if text}


def _read_condition(item: Mapping[str, Any]) -> Condition:
    reason, message, since = (text_in(item.get(key)) for key in ("reason", "message", "lastTransitionTime"))
    return Condition(text_in(item.get("type")), item.get("status") == "True", reason, message, since)

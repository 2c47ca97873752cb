"""The profile that `job-profiler profile` computes of a workload from the same input."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.backtest.explanation import Explanation
from app.domain.custom_resources import KINDS
from app.domain.profiles import Resource
from app.domain.quantities import NEED_UNITS, RESOURCE_NAMES, format_need
from app.domain.untyped import list_in, mapping_in, text_in


@dataclass(frozen=True, slots=True)
class ComputedNeed:
    """The value of one resource, and those of the containers that count in it, as texts of the profile.

    `explanation` is the text of its status. With `has_roles`, Pods differ, and the largest counts.
    """

    value: str
    containers: Mapping[str, str] = field(default_factory=dict)
    explanation: str = ""
    has_roles: bool = False


def read_computed(resource: Resource, manifest: Mapping[str, Any]) -> ComputedNeed:
    """The need in a profile that was computed in this run."""
    status = mapping_in(manifest.get("status"))
    value = mapping_in(mapping_in(manifest.get("spec")).get(KINDS[resource.profile_kind].spec_field))
    containers = map(mapping_in, list_in(status.get("containers")))
    return ComputedNeed(
        text_in(value.get("value")),
        {text_in(one.get("name")): text_in(one.get("value")) for one in containers},
        text_in(status.get("explanation")),
        bool(list_in(status.get("roles"))),
    )


def counted(explanations: Iterable[Explanation], needs: Mapping[Resource, ComputedNeed]) -> list[Explanation]:
    """The explanations of the containers that count; all of a resource without a profile."""
    return [
        one
        for one in explanations
        if one.resource not in needs or one.container.container in needs[one.resource].containers
    ]


def sentences(resource: Resource, need: ComputedNeed, explanations: Iterable[Explanation]) -> Iterator[str]:
    """What the profile's value is made of, and what is left out or differs."""
    of_resource = [one for one in explanations if one.resource is resource]
    parts = " + ".join(f"{name} {value}" for name, value in need.containers.items())
    whole = "the largest sum of a Pod's containers" if need.has_roles else "the sum of its containers"
    made = f", {whole}: {parts}" if len(need.containers) > 1 else ""
    yield f"Profile, {RESOURCE_NAMES[resource]}: {need.value} {NEED_UNITS[resource]}{made}"
    left_out = sorted({one.container.container for one in of_resource} - need.containers.keys())
    if left_out:
        yield (
            f"  Left out: {', '.join(left_out)}. Only containers count that run beside the application now:"
            " no init containers, and none that a newer Pod template dropped."
        )
    for one in of_resource:
        stated, chosen = need.containers.get(one.container.container), format_need(resource, one.chosen.value)
        if stated and stated != chosen:
            yield f"  {one.container.container} has {stated} instead of {chosen}: {need.explanation}"

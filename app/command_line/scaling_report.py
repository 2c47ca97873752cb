"""Pairs of a request and an autoscaler's target, as sentences and as parts of a document; pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from app.command_line.documents import number
from app.decisions.patches import PatchForm, autoscaler_patch
from app.decisions.scaling_targets import ScalingPair
from app.domain.shown_amounts import amount
from app.domain.workloads import Workload

_MOST_SHOWN = 5


def scaling_sentences(workloads: Iterable[tuple[Workload, Sequence[ScalingPair]]]) -> Iterator[str]:
    """A sentence on each of the first pairs, and how to print their patches."""
    listed = [(workload, pair) for workload, pairs in workloads for pair in pairs]
    for workload, pair in listed[:_MOST_SHOWN]:
        yield scaling_sentence(workload, pair)
    if len(listed) > _MOST_SHOWN:
        yield f"{len(listed) - _MOST_SHOWN} more targets of autoscalers are in the output of -o json."
    if any(pair.new_target for _, pair in listed):
        yield (
            "Neither is changed by itself: export patch WORKLOAD prints such requests with --with-scaled, and"
            " such targets with --autoscaler NAME."
        )


def scaling_sentence(workload: Workload, pair: ScalingPair) -> str:
    """The pair of one target in words."""
    resource, target = pair.target.resource, pair.target
    of = f"container {target.container} of {workload.name}" if target.container else workload.name
    old, new, usage = (amount(resource, one) for one in (pair.request, pair.new_request, pair.usage))
    begin = (
        f"HPA {pair.autoscaler} scales {of} at {target.percent} % of its {resource} request of {old}, which"
        f" is a usage of {usage}"
    )
    if pair.new_target is None:
        return f"{begin}; with {new} no target does so: {pair.problem}."
    end = f" ({pair.problem})" if pair.problem else ""
    return f"{begin}; with a request of {new} it does so at {pair.new_target} %{end}."


def scaling_items(pairs: Sequence[ScalingPair]) -> list[dict[str, Any]]:
    """The pairs in a document, each with the patches of its autoscaler."""
    return [_item(pair, pairs) for pair in pairs]


def _item(pair: ScalingPair, pairs: Sequence[ScalingPair]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "namespace": pair.autoscaler.namespace,
        "name": pair.autoscaler.name,
        "apiVersion": pair.autoscaler.api_version,
        "resource": pair.target.resource.value,
        "request": {"old": number(pair.request), "new": number(pair.new_request)},
        "targetPercent": {"old": pair.target.percent, "new": pair.new_target},
        "patch": autoscaler_patch(pair.autoscaler, pairs, PatchForm.STRATEGIC),
        "json6902": autoscaler_patch(pair.autoscaler, pairs, PatchForm.JSON6902),
    }
    if pair.target.container:
        item["container"] = pair.target.container
    return item | ({"problem": pair.problem} if pair.problem else {})

"""Thousands of Pods, with and without scheduling, with patches applied by an RFC 6902 library."""

import copy
from typing import Any

from app.domain.quantities import parse_quantity
from app.webhook.constraint_index import ConstraintIndex
from tests.webhook.generated_pods import (
    LIMIT_BYTES,
    GeneratedPod,
    document,
    size_bytes,
)
from tests.webhook.generated_sized_pods import (
    LABEL,
    NOTE,
    SizedPodGenerator,
)
from tests.webhook.reviews import applied, encoded, patch_in, review
from tests.webhook.webhooks import Webhook, sizing_webhook, webhook_with

REVIEWS, NAMESPACES = 200, 25


def test_every_generated_pod_ends_sized_once_and_only_where_it_may() -> None:
    """Each of 5,000 Pods under 25 sets of constraints is admitted, and its second review changes nothing.

    Beside annotations only CPU and memory requests differ, and a changed request is never above its limit;
    the profile names are the same as without sizing. Without scheduling, the answer is byte for byte that of
    a webhook that sets no requests. The metrics show that some Pods are resized and others are not.
    """
    resized = 0.0
    for seed in range(NAMESPACES):
        generator = SizedPodGenerator(seed)
        profiles, constraints = list(generator.profiles()), generator.constraints()
        sizing, plain = sizing_webhook(*profiles, constraints=constraints), webhook_with(*profiles)
        for number, generated in enumerate(generator.pods(REVIEWS)):
            check(
                sizing, plain, generated, is_enabled=is_enabled(constraints, generated), case=(seed, number)
            )
        resized += sizing.resized
        assert sizing.not_resized("internal_error") == 0

    assert REVIEWS * NAMESPACES / 10 < resized < REVIEWS * NAMESPACES / 2


def is_enabled(constraints: ConstraintIndex, generated: GeneratedPod) -> bool:
    """True if the label of the Pod, or else of the namespace, enables scheduling."""
    label = (generated.pod["metadata"].get("labels") or {}).get(LABEL)
    return label == "true" or (label is None and constraints.is_scheduling_enabled(generated.namespace))


def check(
    sizing: Webhook, plain: Webhook, generated: GeneratedPod, *, is_enabled: bool, case: tuple[int, int]
) -> None:
    """Review one Pod twice by *sizing* and once by *plain*."""
    context = (case, document(generated))
    body = encoded(review(generated.pod, generated.namespace))
    answer, without = sizing.mutator.review(body), plain.mutator.review(body)
    patched = applied(answer, generated.pod)

    again = encoded(review(patched, generated.namespace))
    assert patch_in(sizing.mutator.review(again)) == [], context
    is_forged = NOTE in (generated.pod["metadata"].get("annotations") or {})
    if generated.namespace == "kube-system" or not (is_enabled or is_forged):
        assert answer == without, context
    annotations = dict(patched["metadata"].get("annotations") or {})
    note = annotations.pop(NOTE, None)
    assert generated.namespace == "kube-system" or note != "forged", context
    if size_bytes(annotations) < LIMIT_BYTES / 2:
        assert annotations == generated.expected, context
    assert only_requests_differ(generated.pod.get("spec"), patched.get("spec"), has_note=note is not None), (
        context
    )


def only_requests_differ(before: Any, after: Any, *, has_note: bool) -> bool:
    """True if the specs differ only in CPU and memory requests, each within its limit."""
    if before == after:
        return True
    rest_before, rest_after = copy.deepcopy(before), copy.deepcopy(after)
    for group in ("containers", "initContainers"):
        for was, now in zip(rest_before.get(group, []), rest_after.get(group, []), strict=True):
            original, patched = was.pop("resources", None) or {}, now.pop("resources", None) or {}
            if (original.get("limits") or {}) != (patched.get("limits") or {}):
                return False
            original, patched, limits = (
                dict(amounts or {})
                for amounts in (original.get("requests"), patched.get("requests"), patched.get("limits"))
            )
            for resource in ("cpu", "memory"):
                value, limit = patched.pop(resource, None), limits.get(resource)
                changed = value != original.pop(resource, None)
                if changed and limit and parse_quantity(value) > parse_quantity(limit):
                    return False
            if original != patched:
                return False
    return has_note and rest_before == rest_after


def test_the_same_seed_gives_the_same_pods() -> None:
    """Failures are reproducible."""
    first, second = (list(SizedPodGenerator(7).pods(50)) for _ in range(2))

    assert first == second

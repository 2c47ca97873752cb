"""Reading of LimitRanges, ResourceQuotas and HorizontalPodAutoscalers."""

from decimal import Decimal
from typing import Any

import pytest

from app.rightsizing.constraints import LimitRangeRule, Quota, read_limit_range, read_quota
from tests.rightsizing.manifests import CPU, MEMORY, MIB, Object

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
BOTH = frozenset({CPU, MEMORY})


def test_a_limit_range_gives_a_rule_for_containers_and_one_for_pods() -> None:
    """64Mi is 67108864 bytes; defaults, storage and PersistentVolumeClaims are ignored."""
    entries = [
        {"type": "Container", "min": {"cpu": "50m", "memory": "64Mi"}, "default": {"cpu": "1"}},
        {
            "type": "Pod",
            "max": {"cpu": "2", "ephemeral-storage": "1Gi"},
            "maxLimitRequestRatio": {"cpu": "4"},
        },
        {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
    ]

    assert read_limit_range({"spec": {"limits": entries}}) == (
        LimitRangeRule("Container", {CPU: Decimal("0.05"), MEMORY: Decimal(64 * MIB)}, {}, {}),
        LimitRangeRule("Pod", {}, {CPU: Decimal(2)}, {CPU: Decimal(4)}),
    )


@pytest.mark.parametrize("spec", [{}, {"limits": None}, {"limits": []}])
def test_a_limit_range_without_entries_gives_no_rule(spec: Object) -> None:
    """Absent, null and empty are equal."""
    assert read_limit_range({"spec": spec}) == ()


@pytest.mark.parametrize("text", ["much", "1e999999999999999999999"])
def test_a_limit_range_that_can_not_be_read_allows_nothing(text: str) -> None:
    """It becomes a maximum of 0 for both resources, under which no request is set."""
    (rule,) = read_limit_range({"spec": {"limits": [{"type": "Pod", "min": {"cpu": text}}]}})

    assert rule == LimitRangeRule("Pod", {}, {CPU: Decimal(0), MEMORY: Decimal(0)}, {})


@pytest.mark.parametrize(
    ("hard", "requests", "limits"),
    [
        ({"cpu": "4"}, {CPU}, set()),
        ({"requests.cpu": "4", "memory": "1Gi"}, {CPU, MEMORY}, set()),
        ({"requests.memory": "1Gi", "limits.memory": "2Gi"}, {MEMORY}, {MEMORY}),
        ({"limits.cpu": "4"}, set(), {CPU}),
        (
            {"pods": "9", "requests.nvidia.com/gpu": "1", "requests.storage": "1Ti", "services": "3"},
            set(),
            set(),
        ),
        (None, set(), set()),
    ],
)
def test_a_quota_counts_what_its_keys_name(hard: Any, requests: Any, limits: Any) -> None:
    """The keys `cpu` and `memory` mean requests."""
    assert read_quota({"spec": {"hard": hard}}) == Quota(
        frozenset(requests), frozenset(limits), has_best_effort_scope=False
    )


def test_a_quota_counts_what_it_still_enforces() -> None:
    """The API server enforces `status`; keys just added to or removed from `spec` count as well."""
    manifest = {"spec": {"hard": {"cpu": "1"}}, "status": {"hard": {"limits.memory": "1Gi"}}}

    assert read_quota(manifest) == Quota(frozenset({CPU}), frozenset({MEMORY}), has_best_effort_scope=False)


@pytest.mark.parametrize(
    ("spec", "has_scope"),
    [
        ({}, False),
        ({"scopes": ["BestEffort"]}, True),
        ({"scopes": ["Terminating", "NotBestEffort"]}, True),
        ({"scopes": ["NotTerminating"], "scopeSelector": None}, False),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "NotBestEffort", "operator": "Exists"}]}},
            True,
        ),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass"}]}}, False),
    ],
)
def test_a_quota_may_have_a_best_effort_scope(spec: Object, has_scope: bool) -> None:  # noqa: FBT001 - a row
    """By the scope BestEffort or NotBestEffort, in `scopes` or in `scopeSelector`."""
    assert read_quota({"spec": spec}).has_best_effort_scope is has_scope

"""Sizing in a process: whether it sets requests, its policy, and what it keeps of each profile."""

from decimal import Decimal

import pytest

from app.domain.profiles import Resource
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.runtime.scheduling import scheduling_policy, sets_requests
from app.settings.environment import read_settings
from tests.webhook.webhooks import SETTINGS


@pytest.mark.parametrize(
    ("mode", "role", "expected"),
    [
        ("PROFILING", "webhook", False),
        ("PROFILING", "combined", False),
        ("PROFILING_SCHEDULING", "profiler", False),
        ("PROFILING_SCHEDULING", "webhook", True),
        ("PROFILING_SCHEDULING", "combined", True),
    ],
)
def test_only_a_webhook_sets_requests_and_only_in_its_mode(mode: str, role: str, *, expected: bool) -> None:
    """In any mode, the profiler keeps no needs of containers and watches no constraints."""
    assert sets_requests(read_settings({"operating_mode": mode, "role": role})) is expected


def test_the_policy_is_what_the_settings_say() -> None:
    """Quantities are exact numbers: 0.15 and 1.2, not the nearest binary fractions."""
    settings = SETTINGS.model_copy(update={"scheduling_memory_limit_ratio": 1.2})

    assert scheduling_policy(settings) == SchedulingPolicy(
        min_confidence=0.5,
        deadband=Decimal("0.15"),
        bounds={
            Resource.CPU: RequestBounds(Decimal("0.02"), Decimal(16)),
            Resource.MEMORY: RequestBounds(Decimal(32 * 2**20), Decimal(64 * 2**30), Decimal("1.2")),
        },
    )

"""Ownership and size of annotations, and the scheduling label."""

import pytest

from app.domain.annotations import foreign_bytes, is_ours_at_admission, is_scheduling_enabled, merge_patch

SUMMARY_KEY = "job-profiler.liqo.io/requests"
PRESENT = {"liqo.io/cpuProfile": "old", SUMMARY_KEY: "web: cpu request 18m", "example.org/own": "kept"}


def test_the_requests_summary_stays_after_the_creation_of_a_pod() -> None:
    """A running Pod gets the names of new profiles, and keeps the summary of its requests at creation."""
    assert merge_patch(PRESENT, {"liqo.io/memoryProfile": "new"}) == {
        "liqo.io/cpuProfile": None,
        "liqo.io/memoryProfile": "new",
    }


def test_the_requests_summary_counts_as_ours_only_at_admission() -> None:
    """The webhook replaces the requests summary, so its old size counts only after admission.

    The foreign annotation has 15 + 4 bytes, the summary 29 + 20.
    """
    assert foreign_bytes(PRESENT, is_ours_at_admission) == 15 + 4
    assert foreign_bytes(PRESENT) == 15 + 4 + 29 + 20


@pytest.mark.parametrize(
    ("labels", "enabled"),
    [
        (None, None),
        ({}, None),
        ({"app": "web"}, None),
        ({"job-profiler.liqo.io/scheduling": "true"}, True),
        ({"job-profiler.liqo.io/scheduling": "false"}, False),
        ({"job-profiler.liqo.io/scheduling": "True"}, None),
        ({"job-profiler.liqo.io/scheduling": ""}, None),
    ],
)
def test_the_values_of_the_scheduling_label(labels: dict[str, str] | None, *, enabled: bool | None) -> None:
    """Only the exact values "true" and "false" count; any other value is ignored."""
    assert is_scheduling_enabled(labels) is enabled

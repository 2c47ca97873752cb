"""Which annotations are whose, and what labels say of requests."""

import pytest

from app.domain.annotations import asks_for_requests, changes, foreign_bytes, is_ours_at_admission

NOTE = "job-profiler.liqo.io/requests"
PRESENT = {"liqo.io/cpuProfile": "old", NOTE: "web: cpu request 18m", "example.org/own": "kept"}


def test_what_is_said_of_requests_outlasts_the_creation_of_a_pod() -> None:
    """A Pod that runs gets new profiles' names, and keeps the note of what was done when it was created."""
    assert changes(PRESENT, {"liqo.io/memoryProfile": "new"}) == {
        "liqo.io/cpuProfile": None,
        "liqo.io/memoryProfile": "new",
    }


def test_the_note_counts_as_ours_only_where_it_is_written() -> None:
    """At admission it is replaced, so that its old size does not count; later on it takes its room.

    The own one is 15 + 4 bytes; the note is 29 + 20.
    """
    assert foreign_bytes(PRESENT, is_ours_at_admission) == 15 + 4
    assert foreign_bytes(PRESENT) == 15 + 4 + 29 + 20


@pytest.mark.parametrize(
    ("labels", "said"),
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
def test_what_labels_say_of_requests(labels: dict[str, str] | None, *, said: bool | None) -> None:
    """Two exact values, as with every label of Kubernetes; anything else says nothing."""
    assert asks_for_requests(labels) is said

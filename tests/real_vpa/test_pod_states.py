"""What the check with VPA's own programs makes of the states of Pods, without a cluster."""

from typing import Any

from tests.real_vpa.pod_states import Change, PodState, changes, most_unsettled, shortest_gap, state_of

SMALL, LARGE = ({"main": {"requests": {"cpu": amount}}} for amount in ("100m", "404m"))


def state(at: float, name: str, resources: Any = SMALL, **differences: Any) -> PodState:
    """A ready Pod of `web`, with differences."""
    fields = {"applied": resources, "is_ready": True, "is_leaving": False, "is_gone": False} | differences
    return PodState(at, "web", name, resources, **fields)


def test_an_event_becomes_a_state() -> None:
    """The resources that are asked for, those that the kubelet reports, and the conditions."""
    pod = {
        "metadata": {"name": "web-1", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "resources": LARGE["main"]}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "resources": SMALL["main"]}],
        },
    }

    read = state_of({"type": "MODIFIED", "object": pod}, 5.0)

    assert read == state(5.0, "web-1", LARGE, applied=SMALL)
    assert not read.is_settled
    assert state_of({"type": "DELETED", "object": pod}, 6.0).is_gone


def test_changes_of_two_replicas() -> None:
    """One is resized, the other leaves for a new one; a status without a difference is no change."""
    seen = [
        state(0, "a"),
        state(0, "b"),
        state(2, "a", LARGE, applied=SMALL),
        state(2.3, "a", LARGE),
        state(4.5, "b", is_leaving=True),
        state(4.6, "c", LARGE, is_ready=False),
        state(4.9, "b", is_leaving=True, is_ready=False),
        state(5, "b", is_leaving=True, is_gone=True),
        state(5.1, "c", LARGE),
    ]

    found = list(changes(seen))

    assert [(one.at, one.pod, one.what) for one in found] == [
        (0, "a", "created"),
        (0, "b", "created"),
        (2, "a", "resized"),
        (4.5, "b", "leaves"),
        (4.6, "c", "created"),
        (5, "b", "gone"),
    ]
    assert found[2] == Change(2, "web", "a", "resized", SMALL, LARGE)
    assert shortest_gap(found[2:4]) == 2.5
    assert most_unsettled(seen, 2) == 1


def test_two_at_one_time_are_noticed() -> None:
    """The second is resized before the kubelet has applied the first; before all are ready nothing counts."""
    seen = [
        state(0, "a", is_ready=False),
        state(0, "b"),
        state(1, "a"),
        state(2, "a", LARGE, applied=SMALL),
        state(2.1, "b", LARGE, applied=SMALL),
        state(2.3, "a", LARGE),
    ]

    assert most_unsettled(seen[:3], 2) == 0
    assert most_unsettled(seen, 2) == 2
    assert shortest_gap([]) is None

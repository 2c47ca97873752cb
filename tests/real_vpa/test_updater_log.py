"""Loops in the updater's log, in lines as VPA 1.8.0 writes them."""

from tests.real_vpa.updater_log import most_in_a_loop

START = "I1130 16:15:24.426143   17189 "
ACCEPTED = START + 'update_priority_calculator.go:154] "Pod accepted for update" pod="{}" updatePriority=7.1'
PATCHED = START + (
    'pods_inplace_restriction.go:256] "In-place patched pod /resize subresource using patches" pod="{}"'
)
EVICTED = START + 'updater.go:436] "Evicting pod" pod="{}"'
FIRST, SECOND, OTHER = (
    f"emojivoto/{name}" for name in ("web-9d7f-mwwgr", "web-9d7f-mckxd", "web-api-86bc-64nvh")
)


def log(*lines: tuple[str, str]) -> str:
    """The text of such lines, each for a Pod."""
    return "\n".join(line.format(pod) for line, pod in lines)


def test_one_in_each_of_two_loops() -> None:
    """In a loop both are accepted and one is changed; another workload's Pods are not counted."""
    both = [(ACCEPTED, FIRST), (ACCEPTED, SECOND)]

    assert (
        most_in_a_loop(log(*both, (PATCHED, FIRST), (PATCHED, OTHER), *both, (EVICTED, SECOND)), "web") == 1
    )


def test_two_in_one_loop() -> None:
    """Both are changed without a new look at them."""
    assert most_in_a_loop(log((ACCEPTED, FIRST), (PATCHED, FIRST), (EVICTED, SECOND)), "web") == 2
    assert most_in_a_loop("", "web") == 0

"""Tests of the second lane run only where they are asked for, and CI asks for each kind."""

from pathlib import Path

import pytest

from tests.lanes import MARKERS, is_asked_for

ROOT = Path(__file__).parents[1]


class Item:
    """A test with these markers."""

    def __init__(self, *markers: str) -> None:
        self._markers = markers

    def get_closest_marker(self, name: str) -> object:
        """The marker's name in place of the marker."""
        return name if name in self._markers else None


@pytest.mark.parametrize(
    ("markers", "expression", "runs"),
    [
        ((), "", True),
        (("cluster",), "", True),
        (("flood",), "", False),
        (("image", "cluster"), "", False),
        (("flood",), "not prometheus and not chart and not cluster", False),
        (("flood",), "flood", True),
        (("image", "cluster"), "image or flood", True),
    ],
)
def test_the_second_lane_is_asked_for_by_its_marker(
    markers: tuple[str, ...],
    expression: str,
    runs: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Without `-m`, and with an expression about other markers, only tests of the first lane run."""
    assert is_asked_for(Item(*markers), expression) is runs


def test_ci_runs_both_lanes() -> None:
    """.ci/run runs the first lane, then a target for each marker of the second one within a limit."""
    script = (ROOT / ".ci" / "run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    [second_lane] = [
        line for line in script.splitlines() if line.startswith("timeout --foreground 15m make ")
    ]
    targets = second_lane.split()[4:]

    assert "\nmake test\n" in script
    for marker in MARKERS:
        assert f"test-{marker}" in targets
        assert f"$(PYTEST) -m {marker}" in makefile

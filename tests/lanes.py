"""Markers that select tests.

The second lane has tests that take minutes for one fact each; they run only where `-m` names their marker.
Unit tests need no program but Python.
"""

from collections.abc import Iterable
from typing import Protocol

MARKERS = frozenset({"flood", "image"})
PROGRAMS = ("prometheus", "chart", "cluster", "browser")
"""Markers of tests that need a program beside Python."""
UNIT = " and ".join(f"not {marker}" for marker in PROGRAMS)


class Marked(Protocol):
    """A test, as pytest collects it."""

    def get_closest_marker(self, name: str) -> object:
        """The marker of that name, or None."""


def is_asked_for(test: Marked, expression: str) -> bool:
    """True if the test is of the first lane, or if *expression* (of `-m`) names its marker."""
    return all(name in expression for name in _markers_of(test, MARKERS))


def _markers_of(test: Marked, names: Iterable[str]) -> list[str]:
    return [name for name in names if test.get_closest_marker(name)]

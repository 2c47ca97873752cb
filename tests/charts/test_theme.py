"""Inks: all of them distinct, and lines that also colour-blind people can distinguish."""

from itertools import combinations

import pytest

from app.charts.theme import INKS, ink_class, stylesheet
from tests.charts.sight import SIGHTS, contrast, distance

LINES = ("text", "grey", "blue", "green", "purple", "brown", "gold")
TEXTS = ("text", "muted")


def colour(name: str, scheme: str) -> str:
    return INKS[name].dark if scheme == "dark" else INKS[name].light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_lines_are_distinct_for_every_sight(sight: str, scheme: str) -> None:
    """Any two hues of lines are 24 or more apart, ten times what can just be noticed."""
    distances = {
        pair: distance(colour(pair[0], scheme), colour(pair[1], scheme), sight)
        for pair in combinations(LINES, 2)
    }

    assert min(distances.values()) >= 24, min(distances, key=distances.__getitem__)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_with_the_background(scheme: str) -> None:
    """WCAG 2 asks 3:1 of lines and 4.5:1 of text."""
    background = colour("background", scheme)

    assert min(contrast(colour(name, scheme), background) for name in LINES) >= 3
    assert min(contrast(colour(name, scheme), background) for name in TEXTS) >= 4.5


def test_an_ink_is_named_by_its_light_value() -> None:
    """So no two inks may share it."""
    assert len({ink.light for ink in INKS.values()}) == len(INKS)
    assert ink_class("fill", INKS["blue"].light) == "chart-fill-blue"
    assert ink_class("fill", "#123456") is None


def test_the_stylesheet_falls_back_to_light_values() -> None:
    """A page that declares no variable shows the chart in light colours."""
    assert f".chart-stroke-blue{{stroke:var(--chart-blue,{INKS['blue'].light})}}" in stylesheet()

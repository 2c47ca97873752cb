"""Colours and fonts of all charts: inks for light and dark, which colour-blind people can distinguish.

A specification names an ink by its light value. `svg_markup` gives each element that is painted with it a
class, and the rules of `stylesheet` paint the class with the ink's variable. So one drawing serves light and
dark pages, and a program that reads no stylesheet shows the light values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Widths of these fonts are alike, so text is about as wide in a browser as where the chart was drawn.
FONT = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"
FONT_SIZE = 12
SMALL_FONT_SIZE = 11


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour on a light and on a dark background."""

    light: str
    dark: str


# The hues of lines keep a distance of 24 (CIE 1976) for protan, deutan and tritan sight, and a contrast of
# 3:1 with the background.
INKS: Mapping[str, Ink] = {
    "background": Ink("#ffffff", "#161b22"),
    "grid": Ink("#e1e4e8", "#30363d"),
    "axis": Ink("#818b98", "#656c76"),
    "muted": Ink("#59636e", "#9198a1"),
    "text": Ink("#1f2328", "#f0f6fc"),
    "grey": Ink("#8c959f", "#8b949e"),
    "blue": Ink("#1a8cff", "#99ccff"),
    "green": Ink("#00664d", "#4dffa6"),
    "purple": Ink("#9e2e9e", "#b814b8"),
    "brown": Ink("#661a00", "#e64c19"),
    "gold": Ink("#8a7228", "#ffd24d"),
}
PAINTED = ("fill", "stroke")


def ink(name: str) -> str:
    """The light value of an ink, by which specifications name it."""
    return INKS[name].light


def ink_class(attribute: str, colour: str) -> str | None:
    """The class of elements whose *attribute* (fill or stroke) is an ink; None for other colours."""
    name = _NAMES.get(colour.lower())
    return f"chart-{attribute}-{name}" if name else None


_NAMES = {ink.light: name for name, ink in INKS.items()}


def stylesheet() -> str:
    """The rules that paint the classes; a page that declares the variables has its own colours."""
    rules = [
        f".chart-{attribute}-{name}{{{attribute}:var(--chart-{name},{ink.light})}}"
        for name, ink in INKS.items()
        for attribute in PAINTED
    ]
    return "\n".join(rules) + "\n"


def declarations(*, dark: bool) -> str:
    """The declarations of the variables on a light or a dark background, for a block of a stylesheet."""
    return "".join(f"--chart-{name}:{ink.dark if dark else ink.light};" for name, ink in INKS.items())


def document_stylesheet() -> str:
    """The stylesheet of a drawing in a file of its own: it follows the reader's choice of light or dark."""
    return (
        f":root{{{declarations(dark=False)}color-scheme:light dark}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{declarations(dark=True)}}}}}\n{stylesheet()}"
    )


def config() -> dict[str, Any]:
    """Vega-Lite's `config` of all charts."""
    axis = {
        "labelColor": ink("muted"),
        "labelFontSize": SMALL_FONT_SIZE,
        "titleColor": ink("muted"),
        "titleFontSize": SMALL_FONT_SIZE,
        "titleFontWeight": "normal",
        "domainColor": ink("axis"),
        "tickColor": ink("axis"),
        "gridColor": ink("grid"),
    }
    return {
        "aria": False,
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
        "title": {
            "anchor": "start",
            "frame": "group",
            "color": ink("text"),
            "fontSize": FONT_SIZE,
            "fontWeight": "bold",
            "subtitleColor": ink("muted"),
            "subtitleFontSize": SMALL_FONT_SIZE,
            "subtitlePadding": 4,
            "offset": 10,
        },
        "text": {"color": ink("text"), "fontSize": SMALL_FONT_SIZE},
        "concat": {"spacing": 24},
    }

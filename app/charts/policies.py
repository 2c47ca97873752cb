"""How the values of each sizing policy are drawn: by colour, by kind of line and by kind of mark."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.charts.theme import ink


@dataclass(frozen=True, slots=True)
class PolicyStyle:
    """The ink of a policy, the dashes of its line, and the shape of its mark."""

    ink: str
    dashes: tuple[int, ...]
    shape: str

    @property
    def line(self) -> Mapping[str, Any]:
        """The style of its line."""
        dashes = {"strokeDash": list(self.dashes)} if self.dashes else {}
        return {"color": ink(self.ink), **dashes}


# This product's policies have solid lines and circles; other tools and people have dashes and other shapes.
STYLES: Mapping[str, PolicyStyle] = {
    "low": PolicyStyle("green", (), "circle"),
    "normal": PolicyStyle("blue", (), "circle"),
    "high": PolicyStyle("purple", (), "circle"),
    "krr": PolicyStyle("brown", (6, 3), "square"),
    "vpa": PolicyStyle("gold", (3, 2), "diamond"),
    "autopilot": PolicyStyle("indigo", (2, 3), "triangle-up"),
    "clairvoyant": PolicyStyle("muted", (1, 2), "cross"),
    "requests": PolicyStyle("text", (9, 3, 2, 3), "triangle-down"),
}

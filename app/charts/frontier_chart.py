"""Slack against risk: the marks of several policies, and our choices at several prices of risk as a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, isfinite
from typing import Any

from app.charts.amounts import ticks
from app.charts.label_placement import Box, around, boxes_beside
from app.charts.policies import STYLES
from app.charts.theme import ink
from app.charts.vega import Spec, axis, document, layer, line, number, pixels, texts

_WIDTH, _HEIGHT = 400, 300
_MARGIN = 12
_FAR = 3  # times the next one: a mark that is farther is drawn at the edge
_LABEL_SPACE = 40  # pixels right of the plot
_LINE_STEP = 5  # pixels between the points of the line that labels avoid
_JOINED, _JOINT_GAP = 12, 3  # pixels from a mark to a label that is joined to it
_BEFORE_ZERO = 0.03  # of the axis: marks without any risk are not cut in half
_LEGEND = [
    "Marks: published values. Line: our choices at midnight by price of risk, without stabilization.",
    "Lower left is better.",
]


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """The mean risk of a policy's values, a share in [0, 1], and their relative slack."""

    risk: float
    slack: float

    @property
    def is_known(self) -> bool:
        """False if nothing was scored."""
        return isfinite(self.risk) and isfinite(self.slack)


@dataclass(frozen=True, slots=True)
class FrontierPanel:
    """One resource: the meaning of its risk, the points of policies, and those of our choices by price."""

    title: str
    risk: str
    policies: Mapping[str, RiskPoint]
    choices: Sequence[RiskPoint]


def frontier_chart(panels: Sequence[FrontierPanel]) -> Spec:
    """The panels side by side."""
    title = "Relative slack against risk"
    return document(
        {
            "title": {
                "text": title,
                "subtitle": _LEGEND,
                "frame": "bounds",
                "fontSize": 14,
                "offset": 16,
            },
            "padding": _MARGIN,
            "spacing": 32,
            "hconcat": [_panel(panel) for panel in panels],
        },
        ". ".join([title, *map(_description, panels)]),
    )


def _description(panel: FrontierPanel) -> str:
    points = [
        f"{name} {100 * point.risk:.3g} %, slack {point.slack:.2f}" for name, point in _known(panel).items()
    ]
    return f"{panel.title}, {panel.risk}: {'; '.join(points)}"


def _known(panel: FrontierPanel) -> dict[str, RiskPoint]:
    return {name: panel.policies[name] for name in STYLES if _is_known(panel.policies.get(name))}


def _is_known(point: RiskPoint | None) -> bool:
    return point is not None and point.is_known


def _panel(panel: FrontierPanel) -> Spec:
    policies = _known(panel)
    choices = [point for point in panel.choices if point.is_known]
    end = _end([100 * point.risk for point in policies.values()])
    choices = [point for point in choices if 100 * point.risk <= end]
    slacks = [point.slack for point in (*policies.values(), *choices)]
    low, high = min([0.0, *slacks]) * 1.1, max(slacks, default=1.0) * 1.1 or 1.0
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [-_BEFORE_ZERO * end, end], "nice": False},
        "axis": axis({tick: f"{tick:g} %" for tick in ticks(end)}, grid=True) | {"title": panel.risk},
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False},
        "axis": axis({tick: f"{tick:g}" for tick in _both_signs(low, high)}) | {"title": "relative slack"},
    }
    place = _Place(end, low, high)
    rows = [{"x": number(100 * point.risk), "y": number(point.slack)} for point in choices]
    marks = [
        layer(
            [{"x": number(min(100 * point.risk, end)), "y": number(point.slack)}],
            {"type": "point", "filled": True, "size": 70, "opacity": 1}
            | {"shape": STYLES[name].shape, "color": ink(STYLES[name].ink)},
            x=x,
            y=y,
        )
        for name, point in policies.items()
    ]
    return {
        "title": panel.title,
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [line(rows, ink("blue"), x, y), *marks, *_labels(policies, choices, place)],
    }


def _end(risks: Sequence[float]) -> float:
    """The end of the x axis; one policy that is far worse than the others does not extend it."""
    ordered = sorted(risks)
    if len(ordered) < 2 or ordered[-1] <= _FAR * ordered[-2]:
        return max(ordered, default=1.0) * 1.1 or 1.0
    return ordered[-2] * 1.3 or ordered[-1] * 1.1


def _both_signs(low: float, high: float) -> list[float]:
    """Round numbers from *low*, which is 0 or less, to *high*."""
    above = ticks(high)
    step = above[1] if len(above) > 1 else high
    below = [-round(step * number, 12) for number in range(int(-low / step), 0, -1)]
    return below + above


@dataclass(frozen=True, slots=True)
class _Place:
    """The scale of a panel, from percent and slack to pixels."""

    end: float
    low: float
    high: float

    def pixel(self, point: RiskPoint) -> tuple[float, float]:
        x = (min(100 * point.risk, self.end) / self.end + _BEFORE_ZERO) / (1 + _BEFORE_ZERO)
        return _WIDTH * x, _HEIGHT * (1 - (point.slack - self.low) / (self.high - self.low))


def _labels(policies: Mapping[str, RiskPoint], choices: Sequence[RiskPoint], place: _Place) -> list[Spec]:
    """The names of the policies beside their marks; one beyond the axis has its risk in the label."""
    names = [
        f"{name} ({100 * point.risk:.3g} %) →" if 100 * point.risk > place.end else name
        for name, point in policies.items()
    ]
    dots = [place.pixel(point) for point in policies.values()]
    line_boxes = [around(x, y, 1) for x, y in _along([place.pixel(point) for point in choices])]
    frame = Box(2, 0, _WIDTH + _LABEL_SPACE, _HEIGHT)
    boxes = boxes_beside(names, dots, line_boxes, frame)
    places = list(zip(names, dots, boxes, strict=True))
    layers = [
        texts(
            [_text_beside(name, x, box) for name, (x, _), box in places if _side(x, box) == side],
            align=side,
            baseline="middle",
        )
        for side in ("left", "right", "center")
    ]
    # A label that is not beside its mark is joined to it.
    joints = [_joint(x, y, box) for _, (x, y), box in places]
    far = [joint for joint in joints if hypot(joint["x2"] - joint["x"], joint["y2"] - joint["y"]) > _JOINED]
    style = {"type": "rule", "color": ink("axis"), "strokeWidth": 0.75}
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    return [layer(far, style, x=pixels("x"), y=pixels("y"), **ends), *layers]


def _along(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Points on the line through *corners*, a few pixels apart."""
    for (x, y), (next_x, next_y) in pairwise(corners):
        steps = max(1, round(hypot(next_x - x, next_y - y) / _LINE_STEP))
        yield from (
            (x + (next_x - x) * step / steps, y + (next_y - y) * step / steps) for step in range(steps + 1)
        )


def _side(x: float, box: Box) -> str:
    """The edge of the box at which the text begins: the one that is next to its mark."""
    if box.left >= x:
        return "left"
    return "right" if box.right <= x else "center"


def _text_beside(name: str, x: float, box: Box) -> dict[str, Any]:
    across = {"left": box.left, "right": box.right, "center": (box.left + box.right) / 2}[_side(x, box)]
    return {"x": round(across, 1), "y": round((box.top + box.bottom) / 2, 1), "text": name}


def _joint(x: float, y: float, box: Box) -> dict[str, float]:
    """The line from a mark to the nearest point of its label."""
    near_x = min(max(x, box.left - _JOINT_GAP), box.right + _JOINT_GAP)
    near_y = min(max(y, box.top), box.bottom)
    return {"x": round(x, 1), "y": round(y, 1), "x2": round(near_x, 1), "y2": round(near_y, 1)}

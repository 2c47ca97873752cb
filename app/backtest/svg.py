"""Charts as SVG text: axes, lines, steps and points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from xml.sax.saxutils import escape

Point = tuple[float, float]
_MARGIN_LEFT, _MARGIN_RIGHT, _MARGIN_TOP, _MARGIN_BOTTOM = 70, 20, 34, 44
_LEGEND_WIDTH = 150
_FONT = "font-family='sans-serif' font-size='12'"


@dataclass(slots=True)
class Panel:
    """One chart: a pair of axes with a legend on the right."""

    title: str
    x_label: str
    y_label: str
    width: int = 520
    height: int = 340
    x_max: float = 0.0  # points beyond it are drawn at the edge; 0: the largest x
    _shapes: list[tuple[str, str, str, list[Point]]] = field(default_factory=list)

    def line(self, label: str, colour: str, points: Iterable[Point]) -> None:
        """Adds a line through *points*; it is interrupted where y is not finite."""
        self._shapes.append(("line", label, colour, list(points)))

    def steps(self, label: str, colour: str, points: Iterable[Point]) -> None:
        """Adds a step line: each y holds until the next x; the last point only ends the step before it."""
        corners = [corner for (x, y), (end, _) in pairwise(points) for corner in ((x, y), (end, y))]
        self._shapes.append(("line", label, colour, corners))

    def points(self, colour: str, points: Iterable[tuple[str, Point]]) -> None:
        """Adds dots labelled with their names."""
        self._shapes += [("point", name, colour, [point]) for name, point in points]

    @property
    def _right(self) -> int:
        """The width of the legend, or of the margin if there is no legend."""
        return (
            _LEGEND_WIDTH
            if any(kind == "line" and label for kind, label, *_ in self._shapes)
            else _MARGIN_RIGHT
        )

    def draw(self, left: float, top: float) -> str:
        """The SVG of the panel, with its upper left corner at *left*, *top*."""
        scale = self._scale(left, top)
        parts = [_text((sum(scale.across) / 2, top + 18), self.title, anchor="middle", weight="bold")]
        parts += self._axes(scale)
        legend = top + _MARGIN_TOP + 10
        for kind, label, colour, points in self._shapes:
            if kind == "point":
                parts.append(self._dot(scale, label, colour, points[0]))
                continue
            parts += [_polyline(run, colour) for run in _runs(map(scale.project, points))]
            if label:
                parts.append(_text((scale.across[1] + 8, legend), label, colour=colour))
                legend += 16
        return "\n".join(filter(None, parts))

    def _scale(self, left: float, top: float) -> "_Scale":
        finite = [p for *_, points in self._shapes for p in points if isfinite(p[0]) and isfinite(p[1])]
        xs, ys = [x for x, _ in finite] or [0.0, 1.0], [y for _, y in finite] or [0.0, 1.0]
        return _Scale(
            _Range(min(0.0, *xs), self.x_max or max(xs)),
            _Range(min(0.0, *ys), max(ys)),
            (left + _MARGIN_LEFT, left + self.width - self._right),
            (top + self.height - _MARGIN_BOTTOM, top + _MARGIN_TOP),
        )

    def _axes(self, scale: "_Scale") -> list[str]:
        (left, right), (bottom, top) = scale.across, scale.up
        width, height = right - left, bottom - top
        frame = f"x='{left:g}' y='{top:g}' width='{width:g}' height='{height:g}'"
        parts = [f"<rect {frame} fill='none' stroke='#888'/>"]
        for tick in scale.x.ticks():
            x, _ = scale.project((tick, scale.y.low))
            parts.append(_polyline([(x, bottom), (x, bottom + 5)], "#888"))
            parts.append(_text((x, bottom + 18), f"{tick:g}", anchor="middle"))
        for tick in scale.y.ticks():
            _, y = scale.project((scale.x.low, tick))
            parts.append(_polyline([(left, y), (right, y)], "#ddd"))
            parts.append(_text((left - 8, y + 4), f"{tick:g}", anchor="end"))
        parts.append(_text(((left + right) / 2, bottom + 36), self.x_label, anchor="middle"))
        middle = (top + bottom) / 2
        parts.append(
            f"<g transform='rotate(-90 {left - 54:g} {middle:g})'>"
            f"{_text((left - 54, middle), self.y_label, anchor='middle')}</g>"
        )
        return parts

    def _dot(self, scale: "_Scale", label: str, colour: str, point: Point) -> str:
        if not (isfinite(point[0]) and isfinite(point[1])):
            return ""
        is_beyond = point[0] > scale.x.high
        x, y = scale.project((min(point[0], scale.x.high), point[1]))
        name = f"{label} ({point[0]:.3g}) →" if is_beyond else label
        at, anchor = (x - 7, "end") if x > (scale.across[0] + scale.across[1]) / 2 else (x + 7, "start")
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>{_text((at, y - 5), name, anchor)}"


@dataclass(frozen=True, slots=True)
class _Range:
    low: float
    high: float

    def ticks(self) -> list[float]:
        """Four to nine round numbers in the range."""
        rough = self.span / 6
        power = 10.0 ** floor(log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        numbers = range(ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9) + 1)
        return [round(number * step, 12) for number in numbers]

    @property
    def span(self) -> float:
        return (self.high - self.low) or 1.0


@dataclass(frozen=True, slots=True)
class _Scale:
    x: _Range
    y: _Range
    across: tuple[float, float]
    up: tuple[float, float]

    def project(self, point: Point) -> Point:
        """The position of *point* in the picture."""
        across = (point[0] - self.x.low) / self.x.span
        up = (point[1] - self.y.low) / (self.y.span * 1.05)
        return (
            self.across[0] + across * (self.across[1] - self.across[0]),
            self.up[0] + up * (self.up[1] - self.up[0]),
        )


def picture(panels: Sequence[Panel], note: str = "") -> str:
    """The SVG document of the panels side by side, with *note* below."""
    width = sum(panel.width for panel in panels)
    height = max(panel.height for panel in panels) + (24 if note else 0)
    lefts = [sum(panel.width for panel in panels[:number]) for number in range(len(panels))]
    parts = [panel.draw(left, 0) for panel, left in zip(panels, lefts, strict=True)]
    if note:
        parts.append(_text((10, height - 8), note))
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' {_FONT}>\n<rect width='100%' height='100%' fill='white'/>\n"
        f"{body}\n</svg>\n"
    )


def _runs(points: Iterable[Point]) -> Iterable[list[Point]]:
    run: list[Point] = []
    for point in points:
        if isfinite(point[1]):
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _polyline(points: Iterable[Point], colour: str) -> str:
    coordinates = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f"<polyline points='{coordinates}' fill='none' stroke='{colour}' stroke-width='1.5'/>"


def _text(at: Point, text: str, anchor: str = "start", colour: str = "#222", weight: str = "normal") -> str:
    x, y = at
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}' font-weight='{weight}'>"
        f"{escape(text)}</text>"
    )

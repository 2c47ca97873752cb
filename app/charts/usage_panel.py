"""A panel of usage over time: samples as a line and a band, and levels that are named at their ends.

Samples are drawn as intervals that are at least one and a half pixels wide (an hour, for 14 days on 560
pixels): a line through their means, and a band from the lowest to the highest sample of each. Where samples
are missing, both are interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from app.charts.amounts import Unit, ticks, unit_for
from app.charts.dates import DrawTimeAxis, calendar
from app.charts.downsampling import Interval, Samples, interval_seconds, runs
from app.charts.label_placement import spread
from app.charts.pressure_lanes import LABELS, LANE_HEIGHT, Place, Spans, lanes, occurring
from app.charts.theme import ink
from app.charts.vega import Row, Spec, axis, layer, line, number, pixels, texts
from app.domain.profiles import Resource
from app.domain.quantities import RESOURCE_NAMES

LEFT, RIGHT, TOP, BOTTOM = 48, 136, 44, 40  # pixels around the plot, for its texts
_LABEL_HEIGHT = 14
_HIGHEST_LABEL, _ABOVE_LANES = 5, 6
_JOINT_END, _SWATCH_END, _LABEL_X = 8, 17, 21  # pixels right of the plot
_PIXELS_PER_TICK = 28
_HEADROOM = 1.06
_FAR_ABOVE = 2.5  # times everything else


@dataclass(frozen=True, slots=True)
class Change:
    """An amount (cores or bytes) that holds from a Unix time on; None ends it."""

    time: float
    amount: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """A line of amounts that hold for a time, with its style; changes are in ascending order of time.

    If it is far above everything else and *may_be_beyond*, it is only named, at the upper edge.
    """

    name: str
    changes: Sequence[Change]
    style: Mapping[str, Any]
    may_be_beyond: bool = False

    def between(self, start: float, end: float) -> Sequence[Change]:
        """The changes between two Unix times; of the earlier ones only the last, moved to *start*."""
        before = [change for change in self.changes if change.time <= start][-1:]
        later = [change for change in self.changes if start < change.time < end]
        return [*(Change(start, change.amount) for change in before), *later]


@dataclass(frozen=True, slots=True)
class PanelView:
    """What a panel shows between two Unix times; `title` comes before the unit."""

    resource: Resource
    title: str
    start: float
    end: float
    samples: Samples
    levels: Sequence[Level]
    pressure: Spans = field(default_factory=dict)
    time_axis: DrawTimeAxis = calendar


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a line, *y* pixels from the top, with its label; it may end before the edge of the plot."""

    label: str
    colour: str
    y: float
    is_at_edge: bool = True


class UsagePanel:
    """The layers of a panel, and the positions that they share; *width* and *height* include all texts."""

    def __init__(self, view: PanelView, width: int, height: int) -> None:
        self._view = view
        self._pressure = occurring(view.pressure, view.start, view.end)
        self.lanes_height = LANE_HEIGHT * len(self._pressure)
        self._width = width - LEFT - RIGHT
        self._height = height - TOP - BOTTOM - self.lanes_height
        self._runs = list(runs(view.samples, view.start, view.end, self._width))
        self._changes = {level.name: level.between(view.start, view.end) for level in view.levels}
        self._top, self._beyond = self._scale()
        self.unit: Unit = unit_for(view.resource, self._top / _HEADROOM)

    def spec(self) -> Spec:
        """The panel as a view with a title."""
        return {
            "title": {
                "text": f"{self._view.title}, {self.unit.name}",
                "subtitle": self._legend(),
                "limit": self._width + RIGHT // 2,  # the rest is for wider fonts
            },
            "width": self._width,
            "height": self._height,
            "layer": [
                *self._usage(),
                *self._levels(),
                *self._labels(),
                *lanes(self._pressure, self._place(), self._width + _LABEL_X),
            ],
        }

    def description(self) -> str:
        """The panel in a sentence."""
        view = self._view
        period = view.time_axis(view.start, view.end, self._width).title
        parts = [f"Usage of {RESOURCE_NAMES[view.resource]}, {period}"]
        parts.append(f"highest sample {self._amount(self._highest)}" if self._runs else "no samples")
        parts += [f"{name} {self._amount(amount)}" for name, amount in reversed(self._last.items())]
        parts += [LABELS[kind] for kind in self._pressure]
        return "; ".join(parts)

    @cached_property
    def _highest(self) -> float:
        return max((interval.highest for run in self._runs for interval in run), default=0.0)

    @cached_property
    def _last(self) -> dict[str, float]:
        """The amounts of the levels at the end."""
        return {
            name: changes[-1].amount
            for name, changes in self._changes.items()
            if changes and changes[-1].amount is not None
        }

    def _scale(self) -> tuple[float, frozenset[str]]:
        """The largest amount of the axis, and the levels that are beyond it."""
        largest = {
            name: max((change.amount for change in changes if change.amount is not None), default=0.0)
            for name, changes in self._changes.items()
        }
        may_be_beyond = {level.name for level in self._view.levels if level.may_be_beyond}
        others = max((largest[name] for name in largest.keys() - may_be_beyond), default=0.0)
        top = others = max(others, self._highest)
        beyond = set()
        for name in may_be_beyond:
            if others and largest[name] > _FAR_ABOVE * others:
                beyond.add(name)
            else:
                top = max(top, largest[name])
        return top * _HEADROOM or 1.0, frozenset(beyond)

    def _place(self) -> Place:
        return Place(self._view.start, self._view.end, self._width, self._height)

    @cached_property
    def _x(self) -> Spec:
        view = self._view
        drawn = view.time_axis(view.start, view.end, self._width)
        title = {"title": drawn.title, "titleAlign": "left", "titleAnchor": "start"}
        style = axis(drawn.labels, offset=self.lanes_height, grid=False) | title
        scale = {"domain": [view.start, view.end], "nice": False, "zero": False}
        return {"field": "x", "type": "quantitative", "scale": scale, "axis": style}

    @cached_property
    def _y(self) -> Spec:
        top = self._top / self.unit.size
        count = max(2, self._height // _PIXELS_PER_TICK)
        style = axis({tick: f"{tick:g}" for tick in ticks(top, count)})
        return {
            "field": "y",
            "type": "quantitative",
            "scale": {"domain": [0, top], "nice": False},
            "axis": style,
        }

    def _usage(self) -> list[Spec]:
        """The band and the line of the samples; a sentence where there is none."""
        if not self._runs:
            middle = {"x": self._width / 2, "y": self._height / 2, "text": "No samples"}
            return [
                line([], ink("grey"), self._x, self._y),  # for the axes
                texts([middle], align="center", color=ink("muted")),
            ]
        rows = [row for run in self._runs for row in (*self._points(run), _gap(run))]
        band = {"type": "area", "color": ink("grey"), "opacity": 0.35}
        band["invalid"] = "break-paths-show-path-domains"
        return [
            layer(rows, band, x=self._x, y={**self._y, "field": "low"}, y2={"field": "high"}),
            line(rows, ink("grey"), self._x, self._y),
        ]

    def _points(self, run: Sequence[Interval]) -> list[Row]:
        """A point in the middle of each interval, and at both ends of the run."""
        times = [(interval.start + interval.end) / 2 for interval in run]
        points = [(run[0].start, run[0]), *zip(times, run, strict=True), (run[-1].end, run[-1])]
        return [
            {
                "x": time,
                "y": number(interval.mean / self.unit.size),
                "low": number(interval.lowest / self.unit.size),
                "high": number(interval.highest / self.unit.size),
            }
            for time, interval in points
        ]

    def _levels(self) -> list[Spec]:
        return [
            line(self._steps(level.name), "", self._x, self._y, **level.style, interpolate="step-after")
            for level in self._view.levels
            if self._changes[level.name] and level.name not in self._beyond
        ]

    def _steps(self, name: str) -> list[Row]:
        changes = self._changes[name]
        return [
            {"x": time, "y": None if amount is None else number(amount / self.unit.size)}
            for time, amount in (
                *((change.time, change.amount) for change in changes),
                (self._view.end, changes[-1].amount),
            )
        ]

    def _labels(self) -> list[Spec]:
        """The names and amounts of the lines at their ends, apart from each other, and joined to them."""
        ends = self._ends()
        lowest = self._height - (_ABOVE_LANES if self._pressure else 0)
        placed = spread([end.y for end in ends], _LABEL_HEIGHT, _HIGHEST_LABEL, lowest)
        labels = [
            {"x": self._width + _LABEL_X, "y": y, "text": end.label}
            for end, y in zip(ends, placed, strict=True)
        ]
        joints = [
            {"x": self._width, "y": end.y, "x2": self._width + _JOINT_END, "y2": y, "colour": end.colour}
            for end, y in zip(ends, placed, strict=True)
            if end.is_at_edge
        ]
        left, right = self._width + _JOINT_END, self._width + _SWATCH_END
        swatches = [
            {"x": left, "y": y, "x2": right, "y2": y, "colour": end.colour}
            for end, y in zip(ends, placed, strict=True)
        ]
        return [_rules(joints, 1), _rules(swatches, 3), texts(labels, align="left", baseline="middle")]

    def _ends(self) -> list[_End]:
        ends = []
        for level in self._view.levels:
            if (amount := self._last.get(level.name)) is None:
                continue
            label = f"{level.name} {self.unit.shown(amount)}"
            is_beyond = level.name in self._beyond
            y = 0.0 if is_beyond else self._y_of(amount)
            ends.append(_End(f"{label} ↑" if is_beyond else label, level.style["color"], y))
        if self._runs:
            newest = self._runs[-1][-1]
            is_at_edge = newest.end >= self._view.end
            ends.append(_End("usage", ink("grey"), self._y_of(newest.mean), is_at_edge))
        return ends

    def _y_of(self, amount: float) -> float:
        """The position of an amount in pixels from the top."""
        return round(self._height * (1 - amount / self._top), 1)

    def _legend(self) -> str:
        """How the samples are drawn."""
        seconds = interval_seconds(self._view.end - self._view.start, self._width)
        length = f"{seconds // 60} minutes" if seconds < 3600 else f"{seconds // 3600} h"
        return f"Line: mean of {length}; band: lowest to highest"

    def _amount(self, amount: float) -> str:
        """The amount in a sentence."""
        shown = self.unit.shown(amount)
        return shown if self.unit.suffix else f"{shown} core{'' if shown == '1' else 's'}"


def _gap(run: Sequence[Interval]) -> Row:
    return {"x": run[-1].end, "y": None, "low": None, "high": None}


def _rules(rows: Sequence[Row], width: float) -> Spec:
    """Straight lines between two points in pixels, in the colour of each row."""
    return layer(
        rows,
        {"type": "rule", "strokeWidth": width},
        x=pixels("x"),
        y=pixels("y"),
        x2={"field": "x2"},
        y2={"field": "y2"},
        color={"field": "colour", "type": "nominal", "scale": None},
    )

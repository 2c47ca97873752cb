"""The usage of one resource over days, with the value, the request, the limit and times of pressure.

Samples are drawn as intervals that are at least one and a half pixels wide (an hour, for 14 days on 560
pixels): a line through their means, and a band from the lowest to the highest sample of each. Where samples
are missing, both are interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.charts.amounts import ticks, unit_for
from app.charts.dates import date_range, tick_label, tick_times
from app.charts.downsampling import Interval, Samples, interval_seconds, runs
from app.charts.label_placement import spread
from app.charts.theme import ink
from app.charts.vega import Row, Spec, axis, document, layer, line, number, pixels, texts
from app.domain.profiles import Pressure, Resource
from app.domain.quantities import RESOURCE_NAMES

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 116, 44, 40
_LABEL_GAP = 14
_LANE_HEIGHT, _LANE_BAR = 16, 8
_SHORTEST_BAR = 2  # pixels
_HEADROOM = 1.06
_FAR_ABOVE = 2.5  # times everything else: a limit that is farther away is only named
PRESSURE_NAMES: Mapping[Pressure, str] = {
    Pressure.CPU_THROTTLING: "throttled",
    Pressure.CPU_WAITING: "waiting (PSI)",
    Pressure.OOM_KILLED: "OOM killed",
    Pressure.MEMORY_STALLED: "stalled (PSI)",
}
_LEVEL_STYLES: Mapping[str, Mapping[str, Any]] = {
    "limit": {"color": ink("brown"), "strokeDash": [2, 3]},
    "request": {"color": ink("text"), "strokeDash": [7, 3]},
    "value": {"color": ink("blue"), "strokeWidth": 2.5},
}


@dataclass(frozen=True, slots=True)
class Change:
    """An amount (cores or bytes) that holds from a Unix time on; None ends it."""

    time: float
    amount: float | None


@dataclass(frozen=True, slots=True)
class Span:
    """A time between two Unix times."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class UsageView:
    """What one chart shows: samples of one resource between two Unix times, in cores or bytes.

    `value`, `request` and `limit` are changes in ascending order of time, empty if there is none. `pressure`
    has the times of each kind that was measured, none for a kind that did not occur; a kind that was not
    measured is left out.
    """

    resource: Resource
    start: float
    end: float
    samples: Samples
    value: Sequence[Change] = ()
    request: Sequence[Change] = ()
    limit: Sequence[Change] = ()
    pressure: Mapping[Pressure, Sequence[Span]] = field(default_factory=dict)

    @property
    def levels(self) -> dict[str, Sequence[Change]]:
        """The lines by name, in the order in which they are drawn."""
        return {"limit": self.limit, "request": self.request, "value": self.value}


def usage_chart(view: UsageView, *, width: int = 720, height: int = 240) -> Spec:
    """The chart, *width* and *height* pixels large with all of its texts."""
    plot = _Plot(view, width, height)
    title = f"{RESOURCE_NAMES[view.resource]}, {plot.unit.name}"
    return document(
        {
            "title": {"text": title[0].upper() + title[1:], "subtitle": plot.subtitle()},
            "width": plot.width,
            "height": plot.height,
            "padding": {"left": _LEFT, "right": _RIGHT, "top": _TOP, "bottom": _BOTTOM + plot.lanes_height},
            "autosize": "none",
            "layer": [*plot.usage(), *plot.levels(), *plot.labels(), *plot.lanes()],
        },
        plot.description(),
    )


class _Plot:
    """The layers of one chart, and the positions that they share."""

    def __init__(self, view: UsageView, width: int, height: int) -> None:
        self._view = view
        self.lanes_height = _LANE_HEIGHT * len(view.pressure)
        self.width = width - _LEFT - _RIGHT
        self.height = height - _TOP - _BOTTOM - self.lanes_height
        self._runs = list(runs(view.samples, view.start, view.end, self.width))
        self._last = {name: amount for name, changes in view.levels.items() if (amount := _last(changes))}
        self._top, self._beyond = self._scale()
        self.unit = unit_for(view.resource, self._top / _HEADROOM)

    def _scale(self) -> tuple[float, frozenset[str]]:
        """The largest amount of the axis, and the levels that are beyond it."""
        levels = {
            name: max((change.amount for change in changes if change.amount is not None), default=0.0)
            for name, changes in self._view.levels.items()
        }
        highest = max((interval.highest for run in self._runs for interval in run), default=0.0)
        others = max(highest, levels["value"], levels["request"])
        if others and levels["limit"] > _FAR_ABOVE * others:
            return others * _HEADROOM, frozenset({"limit"})
        return max(others, levels["limit"]) * _HEADROOM or 1.0, frozenset()

    @property
    def _x(self) -> Spec:
        view = self._view
        labels = {time: tick_label(time) for time in tick_times(view.start, view.end, self.width)}
        style = axis(labels, offset=self.lanes_height, grid=False) | {
            "title": date_range(view.start, view.end),
            "titleAlign": "left",
            "titleAnchor": "start",
        }
        scale = {"domain": [view.start, view.end], "nice": False, "zero": False}
        return {"field": "x", "type": "quantitative", "scale": scale, "axis": style}

    @property
    def _y(self) -> Spec:
        top = self._top / self.unit.size
        style = axis({tick: f"{tick:g}" for tick in ticks(top, max(2, self.height // 28))})
        scale = {"domain": [0, top], "nice": False}
        return {"field": "y", "type": "quantitative", "scale": scale, "axis": style}

    def usage(self) -> list[Spec]:
        """The band and the line of the samples; a sentence where there is none."""
        if not self._runs:
            middle = {"x": self.width / 2, "y": self.height / 2, "text": "No samples"}
            return [
                # A line without points still has the axes.
                line([], ink("grey"), self._x, self._y),
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

    def levels(self) -> list[Spec]:
        """The step lines of limit, request and value."""
        return [
            line(self._steps(changes), "", self._x, self._y, interpolate="step-after", **_LEVEL_STYLES[name])
            for name, changes in self._view.levels.items()
            if changes and name not in self._beyond
        ]

    def _steps(self, changes: Sequence[Change]) -> list[Row]:
        view, unit = self._view, self.unit
        rows = [
            {
                "x": min(max(change.time, view.start), view.end),
                "y": None if change.amount is None else number(change.amount / unit.size),
            }
            for change in changes
        ]
        # Of the changes before the start, only the last one is seen.
        before = sum(change.time <= view.start for change in changes)
        rows = rows[max(before - 1, 0) :]
        return [*rows, {"x": view.end, "y": rows[-1]["y"]}]

    def labels(self) -> list[Spec]:
        """The names and amounts of the lines at their ends, apart from each other."""
        ends = {name: (f"{name} {self.unit.shown(amount)}", amount) for name, amount in self._last.items()}
        colours = {name: str(_LEVEL_STYLES[name]["color"]) for name in ends}
        if self._runs:
            ends["usage"], colours["usage"] = ("usage", self._runs[-1][-1].mean), ink("grey")
        wanted = [
            0.0 if name in self._beyond else self.height * (1 - amount / self._top)
            for name, (_, amount) in ends.items()
        ]
        placed = spread(wanted, _LABEL_GAP, 4, self.height)
        rows = [
            {"x": self.width + 12, "y": y, "text": f"{text} ↑" if name in self._beyond else text}
            for (name, (text, _)), y in zip(ends.items(), placed, strict=True)
        ]
        # The short lines from the ends of the lines to their labels.
        joints = [
            {
                "x": self.width,
                "y": number(end),
                "x2": self.width + 9,
                "y2": number(y),
                "colour": colours[name],
            }
            for name, end, y in zip(ends, wanted, placed, strict=True)
        ]
        to = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
        colour = {"field": "colour", "type": "nominal", "scale": None}
        joint = layer(
            joints, {"type": "rule", "strokeWidth": 1.5}, x=pixels("x"), y=pixels("y"), color=colour, **to
        )
        return [joint, texts(rows, align="left", baseline="middle")]

    def lanes(self) -> list[Spec]:
        """Below the plot, a lane with the times of each kind of pressure."""
        layers = []
        for position, (kind, spans) in enumerate(self._view.pressure.items()):
            top = self.height + _LANE_HEIGHT * position + (_LANE_HEIGHT - _LANE_BAR) / 2
            bars = [{"x": left, "x2": right} for left, right in self._bars(spans)]
            mark = {"type": "rect", "color": ink("purple")}
            edges = {"y": {"value": top}, "y2": {"value": top + _LANE_BAR}}
            if bars:
                layers.append(layer(bars, mark, x=pixels("x"), x2={"field": "x2"}, **edges))
            name = PRESSURE_NAMES[kind] if bars else f"not {PRESSURE_NAMES[kind]}"
            label = {"x": self.width + 12, "y": top + _LANE_BAR / 2, "text": name}
            layers.append(texts([label], align="left", baseline="middle", color=ink("muted")))
        return layers

    def _bars(self, spans: Sequence[Span]) -> list[tuple[float, float]]:
        """The edges of bars in pixels; spans closer than a pixel share one."""
        view = self._view
        scale = self.width / (view.end - view.start)
        bars: list[tuple[float, float]] = []
        for span in sorted(spans, key=lambda span: span.start):
            left = max(0.0, (span.start - view.start) * scale)
            right = min(float(self.width), max((span.end - view.start) * scale, left + _SHORTEST_BAR))
            if right <= 0 or left >= self.width:
                continue
            if bars and left <= bars[-1][1] + 1:
                bars[-1] = (bars[-1][0], max(bars[-1][1], right))
            else:
                bars.append((left, right))
        return [(round(left, 1), round(right, 1)) for left, right in bars]

    def subtitle(self) -> str:
        """How the samples are drawn."""
        seconds = interval_seconds(self._view.end - self._view.start, self.width)
        length = f"{seconds // 60} minutes" if seconds < 3600 else f"{seconds // 3600} h"
        return f"Line: mean of {length}; band: lowest to highest"

    def description(self) -> str:
        """The chart in a sentence."""
        view = self._view
        parts = [f"Usage of {RESOURCE_NAMES[view.resource]}, {date_range(view.start, view.end)}"]
        highest = max((interval.highest for run in self._runs for interval in run), default=None)
        parts.append("no samples" if highest is None else f"highest sample {self._amount(highest)}")
        parts += [f"{name} {self._amount(amount)}" for name, amount in reversed(self._last.items())]
        parts += [
            PRESSURE_NAMES[kind] if spans else f"not {PRESSURE_NAMES[kind]}"
            for kind, spans in view.pressure.items()
        ]
        return "; ".join(parts)

    def _amount(self, amount: float) -> str:
        suffix = " cores" if self.unit.suffix == "" else ""
        return f"{self.unit.shown(amount)}{suffix}"


def _last(changes: Sequence[Change]) -> float | None:
    return changes[-1].amount if changes else None


def _gap(run: Sequence[Interval]) -> Row:
    return {"x": run[-1].end, "y": None, "low": None, "high": None}

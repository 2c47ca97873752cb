"""Lanes below a chart of usage: the times of each kind of pressure that occurred.

A kind without a time has no lane: it may not be measured, so nothing is said about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.charts.theme import ink
from app.charts.vega import Spec, layer, pixels, texts
from app.domain.profiles import Pressure

LANE_HEIGHT = 16
_BAR_HEIGHT = 8
_SHORTEST_BAR = 2  # pixels
# Short enough for the space beside the plot.
LABELS: Mapping[Pressure, str] = {
    Pressure.CPU_THROTTLING: "throttled",
    Pressure.CPU_WAITING: "waiting (PSI)",
    Pressure.OOM_KILLED: "OOM killed",
    Pressure.MEMORY_STALLED: "stalled (PSI)",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A time between two Unix times."""

    start: float
    end: float


Spans = Mapping[Pressure, Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the lanes are: the Unix times at both edges of the plot, and its size in pixels."""

    start: float
    end: float
    width: int
    height: int


def lanes(pressure: Spans, place: Place, label_x: int) -> list[Spec]:
    """Bars for the times of each kind, with its name at *label_x*."""
    layers = []
    for position, (kind, spans) in enumerate(pressure.items()):
        top = place.height + LANE_HEIGHT * position + (LANE_HEIGHT - _BAR_HEIGHT) / 2
        rows = [{"x": left, "x2": right} for left, right in bars(spans, place)]
        edges = {"y": {"value": top}, "y2": {"value": top + _BAR_HEIGHT}}
        mark = {"type": "rect", "color": ink("purple")}
        layers.append(layer(rows, mark, x=pixels("x"), x2={"field": "x2"}, **edges))
        label = {"x": label_x, "y": top + _BAR_HEIGHT / 2, "text": LABELS[kind]}
        layers.append(texts([label], align="left", baseline="middle", color=ink("muted")))
    return layers


def occurring(pressure: Spans, start: float, end: float) -> Spans:
    """The kinds with a time between *start* and *end*."""
    return {
        kind: spans
        for kind, spans in pressure.items()
        if any(span.start < end and span.end > start for span in spans)
    }


def bars(spans: Sequence[Span], place: Place) -> list[tuple[float, float]]:
    """The edges of bars in pixels; spans closer than a pixel share one."""
    scale = place.width / (place.end - place.start)
    merged: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda span: span.start):
        left = max(0.0, (span.start - place.start) * scale)
        right = max((span.end - place.start) * scale, left + _SHORTEST_BAR)
        if span.end <= place.start or span.start >= place.end:
            continue
        if merged and left <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return [(round(left, 1), round(min(right, place.width), 1)) for left, right in merged]

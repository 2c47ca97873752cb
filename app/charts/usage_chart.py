"""The usage of one resource over days, with the value, the request, the limit and times of pressure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.charts.downsampling import Samples
from app.charts.pressure_lanes import Span, Spans
from app.charts.theme import ink
from app.charts.usage_panel import BOTTOM, LEFT, RIGHT, TOP, Change, Level, PanelView, UsagePanel
from app.charts.vega import Spec, document
from app.domain.profiles import Resource
from app.domain.quantities import RESOURCE_NAMES

__all__ = ["Change", "Span", "UsageView", "usage_chart"]  # what a caller of the chart builds it from
_LIMIT: Mapping[str, Any] = {"color": ink("brown"), "strokeDash": [2, 3]}
_REQUEST: Mapping[str, Any] = {"color": ink("text"), "strokeDash": [7, 3]}
_VALUE: Mapping[str, Any] = {"color": ink("blue"), "strokeWidth": 2.5}


@dataclass(frozen=True, slots=True)
class UsageView:
    """What one chart shows: samples of one resource between two Unix times, in cores or bytes.

    `value`, `request` and `limit` are changes in ascending order of time, empty if there is none. `pressure`
    has the times of each kind that occurred; nothing is said about another one. `title` is the resource, if
    it is empty.
    """

    resource: Resource
    start: float
    end: float
    samples: Samples
    value: Sequence[Change] = ()
    request: Sequence[Change] = ()
    limit: Sequence[Change] = ()
    pressure: Spans = field(default_factory=dict)
    title: str = ""


def usage_chart(view: UsageView, *, width: int = 720, height: int = 240) -> Spec:
    """The chart, *width* and *height* pixels large with all of its texts."""
    name = RESOURCE_NAMES[view.resource]
    levels = [
        Level("limit", view.limit, _LIMIT, may_be_beyond=True),
        Level("request", view.request, _REQUEST),
        Level("value", view.value, _VALUE),
    ]
    title = view.title or f"{name[0].upper()}{name[1:]}"
    shown = PanelView(view.resource, title, view.start, view.end, view.samples, levels, view.pressure)
    panel = UsagePanel(shown, width, height)
    margins = {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM + panel.lanes_height}
    return document({**panel.spec(), "padding": margins, "autosize": "none"}, panel.description())

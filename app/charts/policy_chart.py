"""The usage of containers over time with the values of several policies, one panel below the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.charts.dates import DrawTimeAxis, calendar
from app.charts.downsampling import Samples
from app.charts.policies import STYLES
from app.charts.theme import ink
from app.charts.usage_panel import Change, Level, PanelView, UsagePanel
from app.charts.vega import Spec, document, texts
from app.domain.profiles import Resource

_WIDTH, _PANEL_HEIGHT = 900, 280
_MARGIN = 12
_FONT_MARGIN = 24  # pixels by which labels may be wider in a browser than in the drawing


@dataclass(frozen=True, slots=True)
class PolicyPanel:
    """One resource of one container: its samples, and the changes of each policy's value, from Unix times."""

    title: str
    resource: Resource
    samples: Samples
    values: Mapping[str, Sequence[Change]]


def policy_chart(
    title: str,
    panels: Sequence[PolicyPanel],
    start: float,
    end: float,
    *,
    time_axis: DrawTimeAxis = calendar,
) -> Spec:
    """The panels from *start* to *end*, with *title* above them."""
    drawn = [UsagePanel(_view(panel, start, end, time_axis), _WIDTH, _PANEL_HEIGHT) for panel in panels]
    description = ". ".join([title, *(panel.description() for panel in drawn)])
    return document(
        {
            "title": {"text": title, "frame": "bounds", "fontSize": 14, "offset": 16},
            "padding": {"left": _MARGIN, "top": _MARGIN, "bottom": _MARGIN, "right": _MARGIN + _FONT_MARGIN},
            "vconcat": [panel.spec() for panel in drawn] or [_nothing()],
        },
        description,
    )


def _nothing() -> Spec:
    label = {"x": 0, "y": 0, "text": "No samples"}
    return {"width": _WIDTH, "height": 20, "layer": [texts([label], align="left", color=ink("muted"))]}


def _view(panel: PolicyPanel, start: float, end: float, time_axis: DrawTimeAxis) -> PanelView:
    levels = [
        Level(name, panel.values[name], style.line, may_be_beyond=name == "requests")
        for name, style in STYLES.items()
        if name in panel.values
    ]
    return PanelView(
        panel.resource, panel.title, start, end, panel.samples, levels[::-1], time_axis=time_axis
    )

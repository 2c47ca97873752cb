"""What is plotted: slack against risk of every policy, and the days of one container beside the values."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.backtest.replay import Replay
from app.backtest.scores import ResourceScores
from app.backtest.svg import Panel, Point, picture
from app.backtest.usage import Lanes, largest, pooled
from app.domain.profiles import Resource

COLOURS = {
    "usage": "#9aa0a6",
    "low": "#1a7f37",
    "normal": "#0550ae",
    "high": "#8250df",
    "krr": "#cf222e",
    "vpa": "#bf8700",
    "autopilot": "#6e7781",
    "clairvoyant": "#57606a",
    "requests": "#24292f",
}
_UNITS: Mapping[Resource, tuple[str, float]] = {
    Resource.CPU: ("cores", 1.0),
    Resource.MEMORY: ("MiB", 2.0**20),
}
_STEPS_PER_HOUR = 12
_BESIDE = ("low", "normal", "high", "krr", "vpa", "requests")


def frontier(replay: Replay) -> str:
    """Relative slack against risk: our choice as its price varies, and every policy as it is published."""
    titles = {
        Resource.CPU: ("CPU", "time above the value, %"),
        Resource.MEMORY: ("memory", "days with a sample above the value, %"),
    }
    panels = []
    for resource, (title, x_label) in titles.items():
        points = {name: _place(resource, each.scores[resource]) for name, each in replay.policies.items()}
        panel = Panel(
            title, x_label, "relative slack", width=640, x_most=_horizon([x for x, _ in points.values()])
        )
        line = [_place(resource, each.scores) for each in replay.frontier[resource]]
        panel.line("by price of risk", COLOURS["normal"], [p for p in line if p[0] <= panel.x_most])
        for name, point in points.items():
            panel.points(COLOURS[name], [(name, point)])
        panels.append(panel)
    return picture(
        panels,
        "Line: our choice at each midnight. Dots: values as published. Down and to the left is better.",
    )


def _place(resource: Resource, scores: ResourceScores) -> Point:
    risk = scores.time_above if resource is Resource.CPU else scores.days_above
    return 100 * risk, scores.relative_slack


def _horizon(risks: list[float]) -> float:
    """As far as most policies go: one that is far worse must not press the others together."""
    known = sorted(each for each in risks if np.isfinite(each))
    if len(known) < 2 or known[-1] <= 3 * known[-2]:
        return max(known, default=1.0) * 1.1 or 1.0
    return known[-2] * 1.3 or 1.0


def container(replay: Replay, series: int) -> str:
    """Usage and the values of the policies over the days; the judged ones have values."""
    panels = []
    for resource, lanes in replay.usage.lanes.items():
        values = {
            name: replay.policies[name].values[resource][series]
            for name in _BESIDE
            if name in replay.policies
        }
        panels.append(days_panel(resource, lanes, series, values, first=replay.protocol.first_day))
    return picture(panels, f"{replay.usage.containers[series]}; UTC days from the first one on")


def days_panel(
    resource: Resource,
    lanes: Lanes,
    series: int,
    values: Mapping[str, NDArray[np.float64]],
    *,
    first: int = 0,
) -> Panel:
    """The largest sample of each hour, and *values* [days] from day *first* on."""
    unit, scale = _UNITS[resource]
    panel = Panel(resource.value, "day", unit, width=860)
    of_series = lanes.values[lanes.owner == series].reshape(int((lanes.owner == series).sum()), -1)
    if len(of_series):
        hours = largest(pooled(of_series.T.reshape(-1, _STEPS_PER_HOUR * len(of_series))))
        panel.line(
            "usage, hourly maximum",
            COLOURS["usage"],
            [(n / 24, each / scale) for n, each in enumerate(hours)],
        )
    for name, each in values.items():
        held = [*(each[first:] / scale).tolist(), float("nan")]
        panel.steps(name, COLOURS[name], [(day, value) for day, value in enumerate(held, start=first)])
    return panel

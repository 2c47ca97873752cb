"""Plots: slack against risk of all policies, and the usage of one container with the policies' values."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.backtest.replay import Replay
from app.backtest.scores import ResourceScores
from app.backtest.svg import Panel, Point, picture
from app.backtest.usage import Lanes, maximum, pool_replicas
from app.domain.profiles import Resource
from app.history.samples import HOURS_PER_DAY, STEPS_PER_HOUR

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
_PLOTTED_POLICIES = ("low", "normal", "high", "krr", "vpa", "requests")


def frontier(replay: Replay) -> str:
    """Relative slack against risk: our choices at several prices of risk, and all published values."""
    titles = {
        Resource.CPU: ("CPU", "time above the value, %"),
        Resource.MEMORY: ("memory", "days with a maximum above the value, %"),
    }
    panels = []
    for resource, (title, x_label) in titles.items():
        points = {
            name: _point(resource, result.scores[resource])
            for name, result in replay.policies.items()
            if name in COLOURS
        }
        x_max = _x_limit([x for x, _ in points.values()])
        panel = Panel(title, x_label, "relative slack", width=640, x_max=x_max)
        line = [_point(resource, frontier_point.scores) for frontier_point in replay.frontier[resource]]
        panel.line("by price of risk", COLOURS["normal"], [p for p in line if p[0] <= panel.x_max])
        for name, point in points.items():
            panel.points(COLOURS[name], [(name, point)])
        panels.append(panel)
    return picture(
        panels,
        "Line: our choices at midnight, without stabilization. Dots: published values. Lower left is better.",
    )


def _point(resource: Resource, scores: ResourceScores) -> Point:
    risk = scores.time_above if resource is Resource.CPU else scores.days_above
    return 100 * risk, scores.relative_slack


def _x_limit(risks: list[float]) -> float:
    """The end of the x axis; one policy that is far worse than the others does not extend it."""
    finite = sorted(risk for risk in risks if np.isfinite(risk))
    if len(finite) < 2 or finite[-1] <= 3 * finite[-2]:
        return max(finite, default=1.0) * 1.1 or 1.0
    return finite[-2] * 1.3 or 1.0


def container(replay: Replay, series: int) -> str:
    """The usage of a container, with the policies' values on the evaluated days."""
    panels = []
    for resource, lanes in replay.usage.lanes.items():
        values = {
            name: replay.policies[name].values[resource][series]
            for name in _PLOTTED_POLICIES
            if name in replay.policies
        }
        panels.append(days_panel(resource, lanes, series, values, first=replay.period.first_day))
    return picture(
        panels,
        f"{replay.usage.containers[series]}; x axis: "
        + (
            "days, of which the first one ends six hours after the container's first sample"
            if replay.period.is_short_past
            else "UTC days since the first day of usage"
        ),
    )


def days_panel(
    resource: Resource,
    lanes: Lanes,
    series: int,
    values: Mapping[str, NDArray[np.float64]],
    *,
    first: int = 0,
) -> Panel:
    """The largest sample of each hour, and *values* [days] from day *first*."""
    unit, scale = _UNITS[resource]
    panel = Panel(resource.value, "day", unit, width=860)
    samples = lanes.values[lanes.owner == series].reshape(int((lanes.owner == series).sum()), -1)
    if len(samples):
        hours = maximum(pool_replicas(samples.T.reshape(-1, STEPS_PER_HOUR * len(samples))))
        panel.line(
            "usage, hourly maximum",
            COLOURS["usage"],
            [(hour / HOURS_PER_DAY, amount / scale) for hour, amount in enumerate(hours)],
        )
    for name, amounts in values.items():
        daily = [*(amounts[first:] / scale).tolist(), float("nan")]
        panel.steps(name, COLOURS[name], [(day, value) for day, value in enumerate(daily, start=first)])
    return panel

"""Charts of a replay: slack against risk of all policies, and the usage of containers with their values."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.backtest.replay import Replay
from app.backtest.scores import ResourceScores
from app.backtest.usage import Usage
from app.charts.dates import SECONDS_PER_DAY, aligned_hours, calendar
from app.charts.downsampling import Samples
from app.charts.frontier_chart import FrontierPanel, RiskPoint, frontier_chart
from app.charts.policy_chart import PolicyPanel, policy_chart
from app.charts.usage_panel import Change
from app.charts.vega import Spec
from app.domain.profiles import Resource
from app.history.samples import STEP_SECONDS

_PLOTTED_POLICIES = ("low", "normal", "high", "krr", "vpa", "requests")
_FRONTIER_TITLES: Mapping[Resource, tuple[str, str]] = {
    Resource.CPU: ("CPU", "time above the value"),
    Resource.MEMORY: ("Memory", "days with a maximum above the value"),
}
_TITLES: Mapping[Resource, str] = {Resource.CPU: "CPU", Resource.MEMORY: "Memory"}
Values = Mapping[str, NDArray[np.float64]]  # [days] by policy


def frontier(replay: Replay) -> Spec:
    """Relative slack against risk: our choices at several prices of risk, and all published values."""
    return frontier_chart(
        [
            FrontierPanel(
                title,
                risk,
                {name: _point(resource, result.scores[resource]) for name, result in replay.policies.items()},
                [_point(resource, choice.scores) for choice in replay.frontier[resource]],
            )
            for resource, (title, risk) in _FRONTIER_TITLES.items()
        ]
    )


def _point(resource: Resource, scores: ResourceScores) -> RiskPoint:
    risk = scores.time_above if resource is Resource.CPU else scores.days_above
    return RiskPoint(risk, scores.relative_slack)


def container(replay: Replay, series: int) -> Spec:
    """The usage of a container, with the policies' values on the evaluated days."""
    usage, period = replay.usage, replay.period
    panels = []
    for resource in usage.lanes:
        values = {
            name: replay.policies[name].values[resource][series]
            for name in _PLOTTED_POLICIES
            if name in replay.policies
        }
        changes = daily_changes(usage, values, first=period.first_day)
        panels.append(PolicyPanel(_TITLES[resource], resource, samples_of(usage, resource, series), changes))
    return policy_chart(
        str(usage.containers[series]),
        panels,
        *_time_range(usage),
        time_axis=aligned_hours if period.is_short_past else calendar,
    )


def containers(title: str, usage: Usage, panels: list[PolicyPanel]) -> Spec:
    """The panels of several containers, over all days of *usage*."""
    return policy_chart(title, panels, *_time_range(usage))


def samples_of(usage: Usage, resource: Resource, series: int) -> Samples:
    """The samples of all replicas of a container, with the times at which their steps end."""
    lanes = usage.lanes[resource]
    amounts = lanes.values[lanes.owner == series].reshape(int((lanes.owner == series).sum()), -1)
    ends = STEP_SECONDS * np.arange(1, amounts.shape[1] + 1, dtype=np.float64)
    times = usage.first_day * SECONDS_PER_DAY + ends
    return Samples.of(np.broadcast_to(times, amounts.shape).ravel(), amounts.ravel().astype(np.float64))


def daily_changes(usage: Usage, values: Values, first: int = 0) -> dict[str, list[Change]]:
    """The changes of each policy's *values* from day *first* on; none of a policy without any value."""
    start = usage.first_day * SECONDS_PER_DAY
    return {
        name: [
            Change(float(start + day * SECONDS_PER_DAY), float(amount) if np.isfinite(amount) else None)
            for day, amount in enumerate(amounts[first:].tolist(), start=first)
        ]
        for name, amounts in values.items()
        if np.isfinite(amounts[first:]).any()
    }


def _time_range(usage: Usage) -> tuple[float, float]:
    first = float(usage.first_day * SECONDS_PER_DAY)
    return first, first + usage.days * SECONDS_PER_DAY

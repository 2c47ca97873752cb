"""VPA's updater under its own rule, hour by hour: how often it acts on the Pods of recommendations.

The updater acts on a Pod (it evicts or resizes it) if a request lies outside the bounds of its resource, or
if the Pod is 12 hours old or older and the requests differ by a tenth or more: the sum over the resources of
|target - request| / request (kubernetes/autoscaler, vpa-updater, update_priority_calculator.go). Requests
are the target at the time of the last action. Actions after an OOM kill are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.backtest.hourly_recommendations import HourlyRecommendations
from app.backtest.protocol import EvaluationPeriod
from app.backtest.usage import Lanes, pool_replicas
from app.domain.profiles import Resource
from app.history.samples import HOURS_PER_DAY, STEPS_PER_HOUR
from app.recommendation.array_types import BoolArray, Float32Array, Float64Array

_LEAST_AGE_HOURS = 12
_LEAST_DIFFERENCE = 0.1
Recommendations = Mapping[Resource, HourlyRecommendations]


@dataclass(frozen=True, slots=True)
class UpdaterScores:
    """Means over the evaluated days of all containers.

    Actions by reason: a request below a lower bound, above an upper bound, or a difference of a tenth.
    `overuse` is what is used above the request, in cores or bytes, mean over the day.
    """

    actions: float
    actions_below: float
    actions_above: float
    actions_by_difference: float
    overuse: Mapping[Resource, float]


def run_updater(
    lanes: Mapping[Resource, Lanes],
    mask: BoolArray,
    period: EvaluationPeriod,
    recommendations: Recommendations,
) -> UpdaterScores:
    """The updater's actions on the evaluated days of *mask* [series, days], each series a Pod of its own."""
    requests = np.full((len(Resource), len(mask)), np.nan)
    age_hours = np.zeros(len(mask))
    actions, overuse = np.zeros(3), dict.fromkeys(Resource, 0.0)
    for position, day in enumerate(period.days):
        use = {resource: _hours_of(lanes[resource], day) for resource in Resource}
        for hour in range(HOURS_PER_DAY):
            target, lower, upper = _at(recommendations, position, hour)
            due = _due(requests, target, lower, upper, age_hours)
            is_first = np.isfinite(target).all(axis=0) & np.isnan(requests).any(axis=0)
            renewed = is_first | due.any(axis=0)
            requests[:, renewed] = target[:, renewed]
            age_hours = np.where(renewed, 1, age_hours + 1)
            actions += (due & mask[:, day]).sum(axis=1)
            for resource, request in zip(Resource, requests, strict=True):
                overuse[resource] += _overuse(use[resource][:, hour], request, mask[:, day])
    days = max(int(mask.sum()), 1)
    below, above, difference = (actions / days).tolist()
    means = {resource: total / HOURS_PER_DAY / days for resource, total in overuse.items()}
    return UpdaterScores(below + above + difference, below, above, difference, means)


def _at(
    recommendations: Recommendations, position: int, hour: int
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Target, lower and upper bound of both resources at one hour, each [resources, series]."""
    hourly = [recommendations[resource].kinds for resource in Resource]
    of_kind = (np.stack([kind[:, position, hour] for kind in kinds]) for kinds in zip(*hourly, strict=True))
    target, lower, upper = (arrays.astype(np.float64) for arrays in of_kind)
    return target, lower, upper


def _due(
    requests: Float64Array, target: Float64Array, lower: Float64Array, upper: Float64Array, age: Float64Array
) -> BoolArray:
    """The Pods that the updater acts on, by reason: below, above, difference; [3, series]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = (np.abs(target - requests) / requests).sum(axis=0)
    is_known = np.isfinite(target).all(axis=0) & np.isfinite(requests).all(axis=0)
    below = is_known & (requests < lower).any(axis=0)
    above = is_known & ~below & (requests > upper).any(axis=0)
    is_old = age >= _LEAST_AGE_HOURS
    differs = is_known & ~below & ~above & is_old & (difference >= _LEAST_DIFFERENCE)
    return np.stack((below, above, differs))


def _hours_of(lanes: Lanes, day: int) -> Float32Array:
    """The samples of *day* in hours, [series, 24, samples of all replicas]; NaN where there is none."""
    by_series = np.full(
        (lanes.series, HOURS_PER_DAY, _most_lanes(lanes) * STEPS_PER_HOUR), np.nan, dtype=np.float32
    )
    for series, samples in lanes.pools(slice(day, day + 1)):
        hours = samples.reshape(*samples.shape[:2], HOURS_PER_DAY, STEPS_PER_HOUR).swapaxes(1, 2)
        flat = hours.reshape(len(series), HOURS_PER_DAY, samples.shape[1] * STEPS_PER_HOUR)
        by_series[series, :, : flat.shape[2]] = flat
    return by_series


def _most_lanes(lanes: Lanes) -> int:
    return int(np.bincount(lanes.owner, minlength=1).max())


def _overuse(samples: Float32Array, requests: Float64Array, counted: BoolArray) -> float:
    """The mean use above *requests* in an hour, summed over the *counted* series."""
    over = np.maximum(pool_replicas(samples[counted]) - requests[counted, np.newaxis], 0)
    count = np.isfinite(over).sum(axis=1)
    return float((np.nansum(over, axis=1) / np.maximum(count, 1)).sum())

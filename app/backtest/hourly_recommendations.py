"""Target, lower and upper bound at the start of each hour: our own, and those of VPA's recommender.

VPA's updater reads these three. A container is taken as a Pod with no other containers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.backtest.learning import DayFeatures, PublishedValues, with_today
from app.backtest.peers import CPU_BUCKETS, FLOORS, MEMORY_BUCKETS, VpaBuckets
from app.backtest.protocol import EvaluationPeriod
from app.backtest.scores import Values
from app.backtest.usage import Lanes, maximum, pool_replicas
from app.domain.profiles import Resource, RiskLevel
from app.history.samples import HOURS_PER_DAY, STEPS_PER_DAY, STEPS_PER_HOUR
from app.recommendation.array_types import Float32Array
from app.recommendation.choice import choose
from app.recommendation.need_bounds import lower_bound, upper_bound
from app.recommendation.rules import rules_at

_PEAK_DAYS = 8  # with today
_MARGIN = 1.15
_LEVELS = (0.9, 0.5, 0.95)  # of target, lower and upper bound
_LEAST_DAYS = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class HourlyRecommendations:
    """In cores or bytes: each is [series, evaluated days, 24], NaN before the first recommendation."""

    target: Float32Array
    lower: Float32Array
    upper: Float32Array

    @property
    def kinds(self) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Target, lower and upper bound."""
        return self.target, self.lower, self.upper

    @classmethod
    def empty(cls, series: int, days: int) -> "HourlyRecommendations":
        """Recommendations to be filled in."""
        return cls(*(np.full((series, days, HOURS_PER_DAY), np.nan, dtype=np.float32) for _ in range(3)))


def our_recommendations(
    resource: Resource,
    features: DayFeatures,
    published: PublishedValues,
    risk: RiskLevel,
    period: EvaluationPeriod,
) -> HourlyRecommendations:
    """The *published* values of each hour with the bounds of `app.recommendation.need_bounds`."""
    rule, low = rules_at(risk)[resource], rules_at(RiskLevel.LOW)[resource]
    hourly = HourlyRecommendations.empty(features.series, len(period.days))
    hourly.target[:] = published.hourly
    every = np.arange(features.series)
    for position, day in enumerate(period.days):
        days = features.before(day)
        at_low, seen = choose(days, low), days.time_seen_days
        for hour in range(HOURS_PER_DAY):
            target = published.hourly[:, position, hour]
            known = with_today(days, features.until(day, hour), every) if hour else days
            hourly.lower[:, position, hour] = lower_bound(target, known, rule)
            hourly.upper[:, position, hour] = upper_bound(target, at_low, seen)
    return hourly


def vpa_recommendations(
    lanes_by_resource: Mapping[Resource, Lanes], period: EvaluationPeriod
) -> dict[Resource, HourlyRecommendations]:
    """VPA's recommendations: percentiles plus 15 %, bounds widened by confidence, at least the floor.

    Target, lower and upper bound are P90, P50 and P95. Confidence is the time seen in days: the lower bound
    is multiplied by (1 + .001 / days)^-2, the upper one by 1 + 1 / days (kubernetes/autoscaler,
    recommender.go and estimator.go). Samples of an hour have one weight.
    """
    seen, recommendations = _days_seen(lanes_by_resource[Resource.CPU]), {}
    for resource, (buckets, histograms) in _HISTOGRAMS.items():
        lanes, floor = lanes_by_resource[resource], FLOORS["vpa"][resource]
        hourly = HourlyRecommendations.empty(lanes.series, len(period.days))
        for number, heights in enumerate(histograms(lanes)):
            day, hour = divmod(number, HOURS_PER_DAY)
            if day in period.days:
                levels = [buckets.level(heights, level) for level in _LEVELS]
                at = np.s_[:, day - period.first_day, hour]
                widened = _widen(levels, seen[:, number])
                for bound, amounts in zip(hourly.kinds, widened, strict=True):
                    bound[at] = np.maximum(amounts, floor)
        recommendations[resource] = hourly
    return recommendations


def _widen(levels: Sequence[Values], days_seen: Values) -> tuple[Values, Values, Values]:
    days = np.maximum(days_seen, _LEAST_DAYS)
    target, lower, upper = (amounts * _MARGIN for amounts in levels)
    return target, lower * (1 + 0.001 / days) ** -2, upper * (1 + 1 / days)


def _days_seen(lanes: Lanes) -> Values:
    """The time seen before each hour in days, [series, hours]."""
    covered = lanes.measure_by_day(lambda x: _by_hour(_is_covered(x)).sum(axis=2))
    hours = np.nan_to_num(covered).reshape(lanes.series, -1) / STEPS_PER_DAY
    return np.cumsum(hours, axis=1) - hours


def _is_covered(samples: Float32Array) -> Float32Array:
    """1 for each step with a sample of any replica, else 0, [series, steps]."""
    covered: Float32Array = np.isfinite(samples).astype(np.float32).max(axis=1)
    return covered


def _by_hour(steps: Float32Array) -> Float32Array:
    """*steps* [..., 288] as [..., 24, 12]."""
    return steps.reshape(*steps.shape[:-1], HOURS_PER_DAY, STEPS_PER_HOUR)


def _cpu_histograms(lanes: Lanes) -> Iterator[Values]:
    """Yields the histograms at the start of each hour; weights halve in 24 hours."""
    heights = CPU_BUCKETS.empty(lanes.series)
    rows = np.repeat(lanes.owner, STEPS_PER_HOUR)
    for day in range(lanes.values.shape[1]):
        for hour in range(HOURS_PER_DAY):
            yield heights
            heights *= 2.0 ** (-1 / HOURS_PER_DAY)
            samples = _by_hour(lanes.values[:, day])[:, hour].ravel()
            CPU_BUCKETS.add(heights, rows, samples)


def _memory_histograms(lanes: Lanes) -> Iterator[Values]:
    """Yields the histograms of the daily peaks at the start of each hour, today's so far included."""
    peaks = lanes.measure_by_day(_peaks)
    for day in range(lanes.values.shape[1]):
        by_hour = lanes.measure(slice(day, day + 1), _running_peaks)
        first = max(0, day + 1 - _PEAK_DAYS)
        past = MEMORY_BUCKETS.empty(lanes.series)
        for earlier in range(first, day):
            _add_peaks(past, peaks[:, earlier], 2.0 ** (earlier - day))
        for hour in range(HOURS_PER_DAY):
            heights = past.copy()
            if hour:
                _add_peaks(heights, by_hour[:, hour - 1], 1.0)
            yield heights


def _peaks(samples: Float32Array) -> Values:
    """The largest sample of the day, of all replicas."""
    return maximum(pool_replicas(samples))


def _running_peaks(samples: Float32Array) -> Values:
    """The largest sample of all replicas up to the end of each hour, [series, 24]; NaN before the first."""
    by_hour = maximum(_by_hour(maximum(samples.swapaxes(1, 2)).astype(np.float32)))
    highest: Values = np.fmax.accumulate(by_hour, axis=1)
    return highest


def _add_peaks(heights: Values, peaks: Values, weight: float) -> None:
    MEMORY_BUCKETS.add(heights, np.arange(len(peaks)), peaks, weight)


_HISTOGRAMS: Mapping[Resource, tuple[VpaBuckets, Callable[[Lanes], Iterator[Values]]]] = {
    Resource.CPU: (CPU_BUCKETS, _cpu_histograms),
    Resource.MEMORY: (MEMORY_BUCKETS, _memory_histograms),
}

"""The raise by pressure: a container that was throttled, stalled or OOM-killed needed more than it used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import PRESSURES_OF, Pressure, Resource
from app.history.kill_limits import KillLimits
from app.history.pressure_history import REMEMBERED_DAYS, PressureHistory
from app.history.samples import STEPS_PER_DAY, day_of
from app.history.usage_histograms import UsageHistograms
from app.recommendation.array_types import Float64Array, Int64Array
from app.recommendation.policy import LEAST_RAISE, PressurePolicy

SampleCounts = Callable[[int], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class PressureRaises:
    """The share by which each series is raised [series], by which kind, and its last step [series].

    Of several kinds of pressure on a resource, the one with the largest raise counts alone. `kill_limits` are
    the limits at OOM kills, and `last_kill` the steps of the last ones [series].
    """

    by: Float64Array
    last_seen: Int64Array
    kinds: tuple[Pressure, ...]
    kind_numbers: Int64Array  # of `kinds`
    kill_limits: KillLimits
    last_kill: Int64Array

    def reason(self, series: int) -> Pressure:
        """The kind of pressure that raises the series."""
        return self.kinds[int(self.kind_numbers[series])]


def pressure_raises(
    resource: Resource,
    usage: UsageHistograms,
    histories: Mapping[Pressure, PressureHistory],
    policies: Mapping[Pressure, PressurePolicy],
    newest_step: int,
) -> PressureRaises:
    """The raises of all series as of *newest_step*; *usage* and *histories* are those of *resource*."""
    kinds = PRESSURES_OF[resource]
    size = max(usage.size, *(len(histories[kind].last_seen_steps) for kind in kinds))
    by, last_seen = [], []
    kill_limits, last_kill = KillLimits().padded(size), np.zeros(size, dtype=np.int64)
    for kind in kinds:
        history, policy = histories[kind], policies[kind]
        if kind is Pressure.OOM_KILLED:
            by.append(raises_by_event(history, policy, size, newest_step))
            kill_limits, last_kill = history.kill_limits_as_of(newest_step, size), history.last_seen(size)
        else:
            by.append(raises_by_share(history, policy, usage.sample_counts, size, newest_step))
        last_seen.append(history.last_seen(size))
    largest = np.argmax(by, axis=0)
    every = np.arange(size)
    return PressureRaises(
        np.array(by)[largest, every],
        np.array(last_seen)[largest, every],
        kinds,
        largest,
        kill_limits,
        last_kill,
    )


def raises_by_share(
    history: PressureHistory, policy: PressurePolicy, sample_counts: SampleCounts, size: int, newest_step: int
) -> Float64Array:
    """The largest daily mean share, halved per `half_life_days` of age.

    *sample_counts* gives the number of usage samples of each series on a day.
    """
    today, raises = day_of(newest_step), np.zeros(size)
    for number, day in history.days.items():
        if not today - REMEMBERED_DAYS < number <= today or not day.any():
            continue
        counts = np.zeros(size)
        counts_of_day = sample_counts(number)
        counts[: len(counts_of_day)] = counts_of_day
        mean = np.divide(history.day_shares(number, size), counts, out=np.zeros(size), where=counts > 0)
        decay = 2.0 ** (-(today - number) / policy.half_life_days)
        raises = np.maximum(raises, np.minimum(mean, policy.max_raise) * decay)
    return _drop_noise(raises)


def raises_by_event(
    history: PressureHistory, policy: PressurePolicy, size: int, newest_step: int
) -> Float64Array:
    """`policy.max_raise`, halved per `half_life_days` since the last event, whatever the number of events."""
    last = history.last_seen(size)
    oldest = (day_of(newest_step) - REMEMBERED_DAYS + 1) * STEPS_PER_DAY
    age_days = (newest_step - last) / STEPS_PER_DAY
    remembered = (last > oldest) & (last <= newest_step)
    return _drop_noise(
        np.where(remembered, policy.max_raise * 2.0 ** (-age_days / policy.half_life_days), 0.0)
    )


def _drop_noise(raises: Float64Array) -> Float64Array:
    return np.where(raises < LEAST_RAISE, 0.0, raises)

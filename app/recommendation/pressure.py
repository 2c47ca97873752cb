"""The share by which pressure raises a value: a throttled or killed container needed more than it used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import PRESSURE_OF, Pressure, Resource
from app.history.pressure_history import REMEMBERED_DAYS, PressureHistory
from app.history.samples import STEPS_PER_DAY, day_of
from app.history.usage import UsageState
from app.recommendation.day_quantiles import Integers
from app.recommendation.day_summaries import Amounts
from app.recommendation.policy import LEAST_RAISE, PressurePolicy

SampleCounts = Callable[[int], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class PressureRaises:
    """The share by which each series is raised [series], and the last step of the pressure [series]."""

    reason: Pressure
    by: Amounts
    last_seen: Integers


def pressure_raises(
    resource: Resource, usage: UsageState, policies: Mapping[Pressure, PressurePolicy], newest_step: int
) -> PressureRaises:
    """The raises of all series as of *newest_step*."""
    reason, size = PRESSURE_OF[resource], len(usage.series.containers)
    rows, policy = usage.pressure[reason], policies[reason]
    if reason is Pressure.CPU_THROTTLING:
        by = raises_by_share(rows, policy, usage.histograms[resource].samples, size, newest_step)
    else:
        by = raises_by_event(rows, policy, size, newest_step)
    return PressureRaises(reason, by, rows.last_seen(size))


def raises_by_share(
    rows: PressureHistory, policy: PressurePolicy, sample_counts: SampleCounts, size: int, newest_step: int
) -> Amounts:
    """The largest daily mean share, halved per `half_life_days` of age.

    *sample_counts* gives the number of usage samples of each series on a day.
    """
    today, raises = day_of(newest_step), np.zeros(size)
    for number, day in rows.days.items():
        if not today - REMEMBERED_DAYS < number <= today or not day.any():
            continue
        counts = np.zeros(size)
        counts_of_day = sample_counts(number)
        counts[: len(counts_of_day)] = counts_of_day
        mean = np.divide(rows.day_shares(number, size), counts, out=np.zeros(size), where=counts > 0)
        decay = 2.0 ** (-(today - number) / policy.half_life_days)
        raises = np.maximum(raises, np.minimum(mean, policy.most) * decay)
    return _without_noise(raises)


def raises_by_event(rows: PressureHistory, policy: PressurePolicy, size: int, newest_step: int) -> Amounts:
    """`policy.most`, halved per `half_life_days` since the last event; the number of events has no effect."""
    last = rows.last_seen(size)
    oldest = (day_of(newest_step) - REMEMBERED_DAYS + 1) * STEPS_PER_DAY
    age_days = (newest_step - last) / STEPS_PER_DAY
    remembered = (last > oldest) & (last <= newest_step)
    return _without_noise(np.where(remembered, policy.most * 2.0 ** (-age_days / policy.half_life_days), 0.0))


def _without_noise(raises: Amounts) -> Amounts:
    return np.where(raises < LEAST_RAISE, 0.0, raises)

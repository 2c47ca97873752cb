"""Policies of profiling cycles, built from the settings."""

from datetime import timedelta

from app.domain.quantities import parse_quantity
from app.profiler.cycle.collected_samples import CollectionLimits
from app.profiler.cycle.cycle import RETAINED_DAYS, CyclePolicy
from app.profiler.cycle.need_limits import NeedLimits
from app.profiler.cycle.plan_aging import AgingPolicy
from app.recommendation.policy import EstimationPolicy
from app.runtime.scheduling import is_scheduling_on, scheduling_policy
from app.settings.environment import Settings


def cycle_policy(settings: Settings) -> CyclePolicy:
    """The policy of a cycle."""
    estimation = EstimationPolicy(RETAINED_DAYS, settings.min_samples, settings.risk)
    aging = AgingPolicy(timedelta(days=settings.stale_after_days), timedelta(days=settings.expire_after_days))
    return CyclePolicy(
        estimation,
        settings.history_days,
        settings.timeslots,
        aging,
        settings.max_profiles,
        settings.profile_write_rate,
        settings.profile_write_rate * settings.background_routine_update_time,
        CollectionLimits(
            settings.max_edges, _need_limits(settings), int(parse_quantity(settings.max_history_size))
        ),
        scheduling=scheduling_policy(settings) if is_scheduling_on(settings) else None,
    )


def _need_limits(settings: Settings) -> NeedLimits:
    return NeedLimits(
        float(parse_quantity(settings.max_cpu_need)), float(parse_quantity(settings.max_memory_need))
    )

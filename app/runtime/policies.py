"""Policies of the profiler role, built from the settings."""

from datetime import timedelta
from typing import Any

import msgspec

from app.domain.quantities import parse_quantity
from app.errors import SettingsError
from app.kubernetes.self_probe.probe import ProbePolicy
from app.profiler.cycle.collected_samples import CollectionLimits
from app.profiler.cycle.cycle import RETAINED_DAYS, CyclePolicy
from app.profiler.cycle.loop import CyclePlan, CycleSchedule
from app.profiler.cycle.need_limits import NeedLimits
from app.profiler.cycle.plan_aging import AgingPolicy
from app.recommendation.policy import EstimationPolicy
from app.runtime.scheduling import is_scheduling_on, scheduling_policy
from app.settings.environment import Settings
from app.tls.rotation import RotationPolicy


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


def cycle_plan(settings: Settings) -> CyclePlan:
    """The policy and the schedule of cycles."""
    return CyclePlan(cycle_policy(settings), CycleSchedule(settings.background_routine_update_time))


def rotation_policy(settings: Settings) -> RotationPolicy:
    """The policy of the CA rotation.

    Raises:
        SettingsError: a CA could expire before all API servers trust its successor.
    """
    if settings.trust_lag * 4 > settings.authority_lifetime:
        setting = f"TRUST_LAG (--trust-lag) is {settings.trust_lag:g}"
        limit = f"a quarter of AUTHORITY_LIFETIME, which is {settings.authority_lifetime:g}"
        raise SettingsError([f"{setting}: set it to at most {limit}"])
    return RotationPolicy(
        settings.certificate_names,
        timedelta(seconds=settings.serving_certificate_lifetime),
        timedelta(seconds=settings.authority_lifetime),
        settings.trust_lag,
    )


def probe_policy(settings: Settings) -> ProbePolicy:
    """The policy of the self-probe."""
    expected = msgspec.json.decode(settings.expected_webhook or "{}", type=dict[str, Any])
    return ProbePolicy(
        settings.own_namespace,
        settings.webhook_configuration,
        expected,
        settings.probe_enabled,
        settings.probe_interval,
    )

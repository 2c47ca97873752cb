"""The scheduling policy of the settings: if this process sets requests, and within which bounds."""

from decimal import Decimal

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.settings.environment import Settings
from app.settings.types import OperatingMode, Role


def is_scheduling_on(settings: Settings) -> bool:
    """True if the webhook of this installation sets requests."""
    return settings.operating_mode is OperatingMode.PROFILING_SCHEDULING


def sets_requests(settings: Settings) -> bool:
    """True if this process sets requests at admission."""
    return is_scheduling_on(settings) and settings.role is not Role.PROFILER


def scheduling_policy(settings: Settings) -> SchedulingPolicy:
    """The policy for requests; decimal settings are taken as written."""
    cpu = _bounds(
        settings.scheduling_cpu_floor, settings.scheduling_cpu_ceiling, settings.scheduling_cpu_limit_ratio
    )
    memory = _bounds(
        settings.scheduling_memory_floor,
        settings.scheduling_memory_ceiling,
        settings.scheduling_memory_limit_ratio,
    )
    return SchedulingPolicy(
        settings.scheduling_min_confidence,
        _decimal(settings.scheduling_deadband),
        {Resource.CPU: cpu, Resource.MEMORY: memory},
    )


def _bounds(floor: str, ceiling: str, limit_ratio: float) -> RequestBounds:
    return RequestBounds(parse_quantity(floor), parse_quantity(ceiling), _decimal(limit_ratio))


def _decimal(number: float) -> Decimal:
    """The decimal as written: 0.15, not the nearest binary fraction."""
    return Decimal(repr(number))

"""What the settings say of requests from profiles: whether they are set in this process, and how."""

from decimal import Decimal

from app.domain.profiles import Resource
from app.domain.quantities import parse_quantity
from app.rightsizing.policy import RequestBounds, SchedulingPolicy
from app.settings.environment import Settings
from app.settings.types import OperatingMode, Role


def sets_requests(settings: Settings) -> bool:
    """True for a process that sets requests at admission."""
    scheduling = settings.operating_mode is OperatingMode.PROFILING_SCHEDULING
    return scheduling and settings.role is not Role.PROFILER


def scheduling_policy(settings: Settings) -> SchedulingPolicy:
    """The bounds of requests; decimal settings count as they were written."""
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
    """0.15 as 0.15, and not as the binary fraction next to it."""
    return Decimal(repr(number))

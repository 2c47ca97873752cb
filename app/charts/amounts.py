"""Units of amounts on an axis: millicores or cores, KiB, MiB or GiB."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10

from app.domain.profiles import Resource


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of an axis; *size* is one of it in cores or bytes, *suffix* follows a number in a label."""

    name: str
    size: float
    suffix: str

    def shown(self, amount: float) -> str:
        """The amount with three significant digits, and all digits of larger whole numbers."""
        number = amount / self.size
        text = f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
        return f"{text}{self.suffix}"


# By the least amount that is shown in them.
_UNITS: Mapping[Resource, tuple[Unit, ...]] = {
    Resource.CPU: (Unit("cores", 1.0, ""), Unit("millicores", 1e-3, "m")),
    Resource.MEMORY: (
        Unit("GiB", 2.0**30, " GiB"),
        Unit("MiB", 2.0**20, " MiB"),
        Unit("KiB", 2.0**10, " KiB"),
    ),
}


def unit_for(resource: Resource, largest: float) -> Unit:
    """The largest unit of which *largest* is one or more; the smallest unit for smaller amounts."""
    units = _UNITS[resource]
    return next((unit for unit in units if largest >= unit.size), units[-1])


def ticks(top: float, count: int = 5) -> list[float]:
    """About *count* round numbers from 0 to *top*."""
    if top <= 0:
        return [0.0]
    rough = top / count
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(number * step, 12) for number in range(floor(top / step + 1e-9) + 1)]

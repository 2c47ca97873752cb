"""The memory limits at which containers were OOM-killed: the lowest and the highest of each series."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.history.padding import pad


def _none() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(slots=True)
class KillLimits:
    """Bytes by series; NaN where no limit is known. The order in which limits are added does not matter."""

    lowest: NDArray[np.float64] = field(default_factory=_none)
    highest: NDArray[np.float64] = field(default_factory=_none)

    @property
    def are_known(self) -> bool:
        """True if the limit of any kill is known."""
        return not bool(np.isnan(self.lowest).all())

    def add(self, series: NDArray[np.int64], limits: NDArray[np.float64]) -> None:
        """Add the limit `limits[k]` of a kill of `series[k]`."""
        size = int(series.max(initial=-1)) + 1
        self.lowest, self.highest = (pad(limit, size, np.nan) for limit in (self.lowest, self.highest))
        np.fmin.at(self.lowest, series, limits)
        np.fmax.at(self.highest, series, limits)

    def forget(self, series: NDArray[np.int64]) -> None:
        """Drop the limits of *series*."""
        known = series[series < len(self.lowest)]
        self.lowest[known] = self.highest[known] = np.nan

    def copy(self) -> "KillLimits":
        """The same limits, to add to."""
        return KillLimits(self.lowest.copy(), self.highest.copy())

    def padded(self, size: int) -> "KillLimits":
        """The limits of at least *size* series."""
        return KillLimits(pad(self.lowest, size, np.nan), pad(self.highest, size, np.nan))

    def select(self, series: NDArray[np.int64]) -> "KillLimits":
        """The limits of *series* only, renumbered from 0 in that order."""
        whole = self.padded(int(series.max(initial=-1)) + 1)
        return KillLimits(whole.lowest[series], whole.highest[series])

    def merge(self, targets: NDArray[np.int64]) -> "KillLimits":
        """The limits with those of series k at series `targets[k]`."""
        whole, merged = self.padded(len(targets)), KillLimits().padded(len(targets))
        merged.add(targets, whole.lowest)
        merged.add(targets, whole.highest)
        return merged


def joined(parts: Iterable[KillLimits]) -> KillLimits:
    """The limits of all *parts*, numbered one part after the other."""
    several = list(parts)
    return KillLimits(
        np.concatenate([_none(), *(part.lowest for part in several)]),
        np.concatenate([_none(), *(part.highest for part in several)]),
    )

"""The bound of CPU that is stated each day, calibrated by the outcomes of the days before it."""

from dataclasses import dataclass

import numpy as np

from app.backtest.scores import Values
from app.recommendation.array_types import Int64Array
from app.recommendation.stated_risk import BOUND_SCALE, conformal_scale

_RECORD_DAYS = 7  # the last days whose outcomes calibrate the next bound


@dataclass(frozen=True, slots=True, eq=False)
class BoundRecord:
    """Each day's bound at scale 1, its expected time above, and the outcome; all are [series, days].

    `outcome` is the share of the day's time above the value; NaN where it does not calibrate later bounds.
    """

    unscaled: Values
    expected: Values
    outcome: Values

    @classmethod
    def empty(cls, series: int, days: int) -> "BoundRecord":
        """A record to be filled in."""
        return cls(*(np.full((series, days), np.nan) for _ in range(3)))

    def at_most(self) -> Values:
        """The stated bound of each day: at least the expected time above, at most 1, [series, days]."""
        bounds = np.full(self.unscaled.shape, np.nan)
        for day in range(len(bounds.T)):
            scaled = np.minimum(self.unscaled[:, day] * self._scale(day), 1)
            bounds[:, day] = np.maximum(scaled, self.expected[:, day])
        return bounds

    def of(self, series: Int64Array) -> "BoundRecord":
        """The record of *series* alone: their bounds are not calibrated by the outcomes of others."""
        return BoundRecord(self.unscaled[series], self.expected[series], self.outcome[series])

    def _scale(self, day: int) -> float:
        recent = slice(max(0, day - _RECORD_DAYS), day)
        outcome, unscaled = self.outcome[:, recent], self.unscaled[:, recent]
        counts = np.isfinite(outcome)
        if not counts.any():
            return BOUND_SCALE
        return conformal_scale(outcome[counts].astype(np.float32), unscaled[counts].astype(np.float32))

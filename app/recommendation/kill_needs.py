"""What containers need that were OOM-killed at their limit; pure.

The limit caps what can be measured, so usage never shows this need: all that a kill says is that the limit
was too low. The least need therefore follows from the limits at kills. One of more than twice the largest
usage counts as that: what was killed so far below its limit was more likely a victim of its node, which had
no memory left.

    highest = the highest limit at a kill
    base = the limit that the owner gave; the lowest one at a kill, if none was given or all kills were below
    first = max(20 % of base, 100 MiB), as VerticalPodAutoscalers raise
    need = highest + first + (highest - base)

With limits equal to needs, kills so lead to base + first, base + 3 * first and base + 7 * first: each raise
is twice as large as the one before. The base does not move with the raises, so they do not compound, and the
third one is the last: what is killed then too has a leak, or a limit that only its owner can choose. As long
as no usage above the limits at kills was measured, no other choice is above the last raise either: usage that
fills every limit would raise it without end.
"""

from dataclasses import dataclass

import numpy as np

from app.recommendation.array_types import BoolArray, Float64Array, FloatArray, Int64Array

_LEAST_SHARE, _LEAST_BYTES = 0.2, 100 * 1024.0**2
_MOST_FIRST_RAISES = 7  # 1 + 2 + 4
_MOST_USAGES = 2.0


@dataclass(frozen=True, slots=True)
class KillNeeds:
    """The least and the largest need of each series by its kills, in bytes; 0 and infinite without any."""

    least: Float64Array
    largest: Float64Array


def needs_after_kills(
    lowest: Float64Array, highest: Float64Array, given: Float64Array, most_used: FloatArray
) -> KillNeeds:
    """The needs by the limits at kills, those that the owners gave (NaN if none), and the largest usage."""
    reached = np.minimum(highest, _MOST_USAGES * most_used)
    base = np.where(given <= reached, given, np.minimum(lowest, reached))
    owned = np.fmax(given, lowest)
    last = owned + _MOST_FIRST_RAISES * _first_raise(owned)
    least = np.minimum(reached + _first_raise(base) + (reached - base), last)
    is_capped = most_used <= highest.astype(np.float32)  # in the precision of usage
    return KillNeeds(least, np.where(is_capped, last, np.inf))


def _first_raise(limit: Float64Array) -> Float64Array:
    raised: Float64Array = np.maximum(_LEAST_SHARE * limit, _LEAST_BYTES)
    return raised


@dataclass(frozen=True, slots=True)
class Raises:
    """How pressure raises each series: by a share, and to what is between the needs after its kills."""

    shares: Float64Array
    kills: KillNeeds

    @classmethod
    def by_shares(cls, shares: Float64Array) -> "Raises":
        """Raises without kills at known limits."""
        return cls(shares, KillNeeds(np.zeros(len(shares)), np.full(len(shares), np.inf)))

    @property
    def are_by_kills(self) -> BoolArray:
        """True for each series whose need follows from the limits at its kills."""
        by_kills: BoolArray = self.kills.least > 0
        return by_kills

    @property
    def are_any(self) -> BoolArray:
        """True for each series that is raised."""
        raised: BoolArray = (self.shares > 0) | self.are_by_kills
        return raised

    def apply(self, amounts: Float64Array) -> Float64Array:
        """The raised *amounts* [series] or [series, any]."""
        by_series = [self.shares, self.kills.least, self.kills.largest]
        if amounts.ndim > 1:
            by_series = [array[:, np.newaxis] for array in by_series]
        shares, least, largest = by_series
        raised: Float64Array = np.clip(amounts * (1 + shares), least, largest)
        return raised

    def select(self, series: BoolArray | Int64Array) -> "Raises":
        """The raises of *series* only."""
        return Raises(self.shares[series], KillNeeds(self.kills.least[series], self.kills.largest[series]))

"""Ranges of keys for shards of limited size; existing ranges that still fit stay."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.history.key_ranges import KeyRange, Keys

# Shares of the maximal weight. Neighbours are merged if together they weigh at most half of it, and a range
# above it is split into parts of about 0.7: between these limits ranges do not change.
_MERGE_BELOW = 0.5
_SPLIT_INTO = 0.7


def plan_ranges(
    starts: Sequence[int], keys: Keys, weights: NDArray[np.float64], *, max_weight: float
) -> list[KeyRange]:
    """The new ranges, in order, derived from the present ones, which start at 0 and at *starts*.

    *weights* are those of *keys*, in any order; a range heavier than *max_weight* is split between keys.
    """
    order = np.argsort(keys, kind="stable")
    keys, sums = keys[order], np.concatenate(([0.0], weights[order].cumsum()))

    def weight(first: int, end: int) -> float:
        begin, after = np.searchsorted(keys, (first, end))
        return float(sums[after] - sums[begin])

    end = KeyRange().last + 1
    kept = [0]
    for start, following in pairwise([*sorted({*starts} - {0}), end]):
        if weight(kept[-1], following) > max_weight * _MERGE_BELOW:
            kept.append(start)
    new_starts: list[int] = []
    for start, following in pairwise([*kept, end]):
        new_starts.append(start)
        if (range_weight := weight(start, following)) > max_weight:
            parts = int(np.ceil(range_weight / (max_weight * _SPLIT_INTO)))
            new_starts += _split_points(keys, sums, start, following, parts)
    return [KeyRange(start, following - 1) for start, following in pairwise([*new_starts, end])]


def halves(keys: KeyRange, present: Keys) -> tuple[KeyRange, KeyRange] | None:
    """*keys* split at the median of the *present* keys; None if they are fewer than two distinct keys."""
    inside = np.unique(present[keys.covers(present)])
    if len(inside) < 2:
        return None
    middle = int(inside[len(inside) // 2])
    return KeyRange(keys.first, middle - 1), KeyRange(middle, keys.last)


def _split_points(keys: Keys, sums: NDArray[np.float64], start: int, end: int, parts: int) -> list[int]:
    """The keys that split the range from *start* to before *end* into *parts* of about equal weight."""
    begin, after = np.searchsorted(keys, (start, end))
    targets = sums[begin] + (sums[after] - sums[begin]) * np.arange(1, parts) / parts
    positions = np.searchsorted(sums, targets)
    return [key for key in np.unique(keys[np.clip(positions, begin, after - 1)]).tolist() if start < key]

"""Where the keys are cut so that each piece fits into one object; a cut that still fits stays where it is."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.history.key_ranges import KeyRange, Keys

# Neighbours become one again where together they fill half a piece: between is room in which nothing moves.
_UNITED = 0.5
_CUT_TO = 0.7


def plan_ranges(
    starts: Sequence[int], keys: Keys, weights: NDArray[np.float64], *, most: float
) -> list[KeyRange]:
    """The ranges, in order, that follow from those that begin at *starts* (and at 0).

    *weights* are what *keys* weigh, in any order; a range that weighs more than *most* is cut, between keys.
    """
    order = np.argsort(keys, kind="stable")
    keys, sums = keys[order], np.concatenate(([0.0], weights[order].cumsum()))

    def weight(first: int, end: int) -> float:
        begin, after = np.searchsorted(keys, (first, end))
        return float(sums[after] - sums[begin])

    end = KeyRange().last + 1
    kept = [0]
    for start, following in pairwise([*sorted({*starts} - {0}), end]):
        if weight(kept[-1], following) > most * _UNITED:
            kept.append(start)
    found: list[int] = []
    for start, following in pairwise([*kept, end]):
        found.append(start)
        if (here := weight(start, following)) > most:
            found += _cuts(keys, sums, start, following, int(np.ceil(here / (most * _CUT_TO))))
    return [KeyRange(start, following - 1) for start, following in pairwise([*found, end])]


def halves(keys: KeyRange, present: Keys) -> tuple[KeyRange, KeyRange] | None:
    """*keys* cut amid those that are *present*; None where they are all one."""
    inside = np.unique(present[keys.covers(present)])
    if len(inside) < 2:
        return None
    middle = int(inside[len(inside) // 2])
    return KeyRange(keys.first, middle - 1), KeyRange(middle, keys.last)


def _cuts(keys: Keys, sums: NDArray[np.float64], start: int, end: int, pieces: int) -> list[int]:
    """The keys inside of a range at which it falls into so many pieces of like weight."""
    begin, after = np.searchsorted(keys, (start, end))
    shares = sums[begin] + (sums[after] - sums[begin]) * np.arange(1, pieces) / pieces
    at = np.searchsorted(sums, shares)
    return [key for key in np.unique(keys[np.clip(at, begin, after - 1)]).tolist() if start < key]

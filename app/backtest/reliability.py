"""Reliability of stated risk: the stated risk of values, and the risk that was observed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.scores import Scorers, Values
from app.domain.profiles import Resource

BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One of about equally large bins of container-days with similar stated risk: the means of both risks."""

    stated: float
    observed: float
    container_days: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """The means of stated and observed risk, overall and in bins in ascending order of the stated risk."""

    stated: float
    observed: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class RiskStatements:
    """The reliability of each stated risk; `cpu_bound.observed` is the share of days within the bound."""

    cpu_above: Reliability
    memory_above: Reliability
    cpu_bound: Reliability


def compare_statements(
    values: Mapping[Resource, Values], expected: Mapping[Resource, Values], at_most: Values, scorers: Scorers
) -> RiskStatements:
    """Compares the risk stated for *values* [series, days] at the start of each evaluated day with that day.

    *expected* is the stated risk, *at_most* the stated bound of CPU.
    """
    above = scorers[Resource.CPU].time_above(values[Resource.CPU])
    exceeded = scorers[Resource.MEMORY].exceeded(values[Resource.MEMORY])
    is_within = np.where(np.isfinite(above), above <= at_most, np.nan)
    return RiskStatements(
        reliability(expected[Resource.CPU], above),
        reliability(expected[Resource.MEMORY], exceeded),
        reliability(at_most, is_within),
    )


def reliability(stated: Values, observed: Values) -> Reliability:
    """Compares days on which both are finite, in up to `BINS` bins; equal stated values share a bin."""
    is_comparable = np.isfinite(stated) & np.isfinite(observed)
    stated, observed = stated[is_comparable], observed[is_comparable]
    if not len(stated):
        return Reliability(float("nan"), float("nan"), ())
    edges = np.unique(np.quantile(stated, np.arange(1, BINS) / BINS, method="lower"))
    member = np.searchsorted(edges, stated, side="left")
    bins = tuple(_bin(stated, observed, member == number) for number in np.unique(member).tolist())
    return Reliability(float(stated.mean()), float(observed.mean()), bins)


def _bin(stated: Values, observed: Values, mask: NDArray[np.bool_]) -> ReliabilityBin:
    return ReliabilityBin(float(stated[mask].mean()), float(observed[mask].mean()), int(mask.sum()))

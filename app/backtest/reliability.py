"""How reliable statements were: what was stated of the risk of values beside what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backtest.scores import Facts, Values
from app.domain.profiles import Resource

GROUPS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """About equally many days of containers, of which similar was stated: the means of both."""

    stated: float
    came: float
    container_days: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """The means of what was stated and of what came, and both by groups, of which least was stated first."""

    stated: float
    came: float
    groups: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class RiskStatements:
    """Of each kind of statement; of the bound, `came` is the share of days that kept to it."""

    cpu_above: Reliability
    memory_above: Reliability
    cpu_bound: Reliability


def statements_of(
    values: Mapping[Resource, Values], expected: Mapping[Resource, Values], at_most: Values, facts: Facts
) -> RiskStatements:
    """What was stated of *values* [series, days] at the begin of each judged day, beside how the day went."""
    above = facts[Resource.CPU].time_above(values[Resource.CPU])
    exceeded = facts[Resource.MEMORY].exceeded(values[Resource.MEMORY])
    kept = np.where(np.isfinite(above), above <= at_most, np.nan)
    return RiskStatements(
        reliability(expected[Resource.CPU], above),
        reliability(expected[Resource.MEMORY], exceeded),
        reliability(at_most, kept),
    )


def reliability(stated: Values, came: Values) -> Reliability:
    """Both where both are known; days of which the same was stated are in one group."""
    known = np.isfinite(stated) & np.isfinite(came)
    said, happened = stated[known], came[known]
    if not len(said):
        return Reliability(float("nan"), float("nan"), ())
    edges = np.unique(np.quantile(said, np.arange(1, GROUPS) / GROUPS, method="lower"))
    member = np.searchsorted(edges, said, side="left")
    groups = tuple(_group(said, happened, member == number) for number in np.unique(member).tolist())
    return Reliability(float(said.mean()), float(happened.mean()), groups)


def _group(said: Values, happened: Values, here: NDArray[np.bool_]) -> ReliabilityBin:
    return ReliabilityBin(float(said[here].mean()), float(happened[here].mean()), int(here.sum()))

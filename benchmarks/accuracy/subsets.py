"""Statements of CPU risk on small populations: random subsets of series with a week of past."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.backtest.learning import PublishedValues, replay_profiler
from app.backtest.protocol import EvaluationPeriod, evaluation_mask
from app.backtest.scores import Values
from app.domain.profiles import Resource, RiskLevel
from app.recommendation.array_types import BoolArray
from app.recommendation.rules import rules_at
from benchmarks.accuracy.recorded_set import RecordedSet

SUBSETS, SERIES, PAST_DAYS, JUDGED_DAYS = 200, 12, 7, 7


@dataclass(frozen=True, slots=True)
class SubsetStatements:
    """Means over subsets: the share of days within the bound, and the stated and the real time above."""

    held: float
    stated: float
    came: float

    @property
    def ratio(self) -> float:
        """The time above that came, as a share of the stated one."""
        return self.came / self.stated


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """The values from one first day on, and the days to judge, [series, days]."""

    published: PublishedValues
    judged: BoolArray

    def statements(self, series: np.ndarray) -> tuple[float, float, float]:
        bounds = self.published.bounds.of(series)
        judged = self.judged[series]
        above, at_most = bounds.outcome[judged], bounds.at_most()[judged]
        return float((above <= at_most).mean()), float(bounds.expected[judged].mean()), float(above.mean())


def subset_statements(sets: Sequence[RecordedSet], risk: RiskLevel, seed: int = 1) -> SubsetStatements:
    """Draws the subsets from all *sets* and first days alike."""
    random = np.random.default_rng(seed)
    starts = [start for of_set in sets for start in _starts(of_set, risk)]
    results = []
    for _ in range(SUBSETS):
        start = starts[random.integers(len(starts))]
        candidates = np.flatnonzero(start.judged.any(axis=1))
        results.append(
            start.statements(random.choice(candidates, min(SERIES, len(candidates)), replace=False))
        )
    held, stated, came = np.mean(results, axis=0).tolist()
    return SubsetStatements(held, stated, came)


def by_level(sets: Sequence[RecordedSet]) -> Mapping[RiskLevel, SubsetStatements]:
    """The statements at each risk level."""
    return {risk: subset_statements(sets, risk) for risk in RiskLevel}


def _starts(of_set: RecordedSet, risk: RiskLevel) -> list[_Start]:
    """The set from each week on, as if nothing had been seen before."""
    replay, rule = of_set.replay, rules_at(risk)[Resource.CPU]
    starts = []
    for first in range(0, replay.usage.days - PAST_DAYS - JUDGED_DAYS + 1, 7):
        last = first + PAST_DAYS + JUDGED_DAYS - 1
        period = EvaluationPeriod(first + PAST_DAYS, last, first_learned_day=first)
        published = replay_profiler(
            replay.features[Resource.CPU],
            rule,
            period,
            replay.scorers[Resource.CPU].time_above_on,
            _no_report,
        )
        judged = evaluation_mask(replay.usage, period)[:, : last + 1]
        starts.append(_Start(published, judged & _is_known(published.bounds.outcome)))
    return starts


def _is_known(outcome: Values) -> BoolArray:
    known: BoolArray = np.isfinite(outcome)
    return known


def _no_report() -> None:
    """The progress of one replay is not printed."""

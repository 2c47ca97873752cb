"""A set of recorded usage with the replay of all policies, and the scores of single days."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from app.backtest.collecting import collect_usage
from app.backtest.protocol import EvaluationPeriod, evaluated_usage
from app.backtest.replay import Replay, replay
from app.backtest.scores import DayScores
from app.backtest.usage import Usage
from app.domain.profiles import Resource
from app.history.samples import StepRange
from app.sources.recorded import read_recorded_history

LARGE_DAYS, LARGE_SERIES, MANY_EXCEEDANCES = 300, 300, 20


@dataclass(frozen=True, eq=False)
class RecordedSet:
    """A set's name and the replay of all policies on it."""

    name: str
    replay: Replay

    @property
    def container_days(self) -> int:
        """Number of evaluated days of all containers."""
        return int(self.replay.evaluation_mask.sum())

    @property
    def series(self) -> int:
        """Number of containers, evaluated or not."""
        return len(self.replay.evaluation_mask)

    @property
    def is_large(self) -> bool:
        """True for sets on which the limits of single sets hold."""
        return not self.replay.period.is_short_past and self.container_days >= LARGE_DAYS

    @property
    def has_memory(self) -> bool:
        """True if KRR's memory values are exceeded often enough to compare with."""
        return self.is_large and int(self.of("krr", Resource.MEMORY).is_above.sum()) >= MANY_EXCEEDANCES

    @cached_property
    def _by_policy(self) -> Mapping[tuple[str, Resource], DayScores]:
        return {
            (name, resource): self.replay.scorers[resource].day_scores(values, policy.changes[resource])
            for name, policy in self.replay.policies.items()
            for resource, values in policy.values.items()
        }

    def of(self, policy: str, resource: Resource) -> DayScores:
        """The scores of single days of *policy*."""
        return self._by_policy[policy, resource]

    @cached_property
    def _frontiers(self) -> Mapping[Resource, tuple[DayScores, ...]]:
        return {
            resource: tuple(
                self.replay.scorers[resource].day_scores(point.values, point.changes) for point in points
            )
            for resource, points in self.replay.frontier.items()
        }

    def frontier(self, resource: Resource) -> tuple[DayScores, ...]:
        """The scores of single days at each price of risk."""
        return self._frontiers[resource]

    def half(self, number: int) -> np.ndarray:
        """Flags of every second series, from the first (0) or second (1) on."""
        flags: np.ndarray = np.arange(self.series) % 2 == number
        return flags


def read_usage(history: Path) -> tuple[Usage, EvaluationPeriod]:
    """The usage of a history file and its evaluation period; exits if nothing can be evaluated."""
    recorded = read_recorded_history(history)
    steps = StepRange(recorded.first_step, recorded.last_step)
    usage = asyncio.run(
        collect_usage(recorded, recorded, steps, lambda _name: True, lambda _done, _total: None)
    )
    evaluated = evaluated_usage(usage) if usage else None
    if evaluated is None:
        raise SystemExit(f"nothing in {history} can be evaluated")
    return evaluated


def read_set(history: Path) -> RecordedSet:
    """Reads *history* and replays all policies on it."""
    return RecordedSet(history.stem, replay(*read_usage(history)))

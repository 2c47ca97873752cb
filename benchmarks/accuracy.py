"""Accuracy of all policies on recorded usage, compared with reference rows and goals.

`make bench-accuracy HISTORY=FILE.npz`. The reference rows are for the Bitbrains trace of July 2013 (478
machines, 5,561 machine-days); they were computed by other code. The output also has the reliability of the
stated risk, and the scores of values from an hour to 14 days of history. Exits with code 1 if a rule of
another tool differs from its row, or if the replay takes too long. Missed goals are marked.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from app.backtest.cold_start import cold_start
from app.backtest.collecting import collect_usage
from app.backtest.protocol import EvaluationPeriod, evaluation_period
from app.backtest.replay import replay
from app.backtest.report import document, scores_of
from app.backtest.usage import Usage
from app.history.samples import StepRange
from app.sources.recorded import read_recorded_history

SLACK_TOLERANCE, RATE_TOLERANCE = 0.01, 0.003
MAX_SECONDS = 120.0
_KEYS = ("cpu_relative_slack", "cpu_time_above", "memory_relative_slack", "memory_days_above")
ROWS: Mapping[str, tuple[float, float, float, float]] = {
    "krr": (0.187, 0.0463, 0.687, 0.0203),
    "vpa": (0.215, 0.0310, 0.672, 0.0696),
    "autopilot": (0.430, 0.0093, 0.506, 0.303),
    "clairvoyant": (0.261, 0.0087, 0.444, 0.0),
}
# Upper limits for our policies.
GOALS: Mapping[str, Mapping[str, float]] = {
    "low": {"cpu_time_above": 0.014, "memory_days_above": 0.0152},  # .75 of KRR's share of days
    "normal": {
        "cpu_time_above": 0.035,
        "cpu_days_below_half_of_p95": 0.02,
        "memory_days_above": 0.0203,  # KRR's
        "cpu_changes_per_day": 0.12,
        "memory_changes_per_day": 0.2,
    },
}
# Lower limits for our policies.
MINIMA: Mapping[str, Mapping[str, float]] = {
    name: {"cpu_bound_held": 0.9} for name in ("low", "normal", "high")
}
HOURS = (1, 6, 24, 72, 336)
_COLD_START_COLUMNS = (
    ("CPU slack", "cpu_relative_slack", ".3f"),
    ("time above", "cpu_time_above", ".2%"),
    ("stated", "cpu_expected_above", ".2%"),
    ("bound held", "cpu_bound_held", ".1%"),
    ("memory slack", "memory_relative_slack", ".3f"),
    ("days above", "memory_days_above", ".2%"),
    ("stated", "memory_expected_days_above", ".2%"),
    ("days", "cpu_container_days", "d"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A score and its expected value."""

    policy: str
    key: str
    score: float
    expected: float
    is_met: bool

    def __str__(self) -> str:
        return f"{self.policy:12} {self.key:26} {self.score:8.4f} {self.expected:8.4f} {self._verdict}"

    @property
    def _verdict(self) -> str:
        return "" if self.is_met else "MISSED"


def differences(policies: Mapping[str, Mapping[str, float]]) -> tuple[list[Difference], list[Difference]]:
    """The differences of other tools' rules from their rows, and of our policies from the goals."""
    rows = [
        Difference(name, key, policies[name][key], expected, _is_near(key, policies[name][key], expected))
        for name, row in ROWS.items()
        for key, expected in zip(_KEYS, row, strict=True)
    ]
    goals = [
        Difference(name, key, policies[name][key], maximum, policies[name][key] <= maximum)
        for name, maxima in GOALS.items()
        for key, maximum in maxima.items()
    ]
    goals += [
        Difference(name, key, policies[name][key], minimum, policies[name][key] >= minimum)
        for name, minima in MINIMA.items()
        for key, minimum in minima.items()
    ]
    return rows, goals


def verdict(rows: list[Difference], goals: list[Difference], seconds: float) -> str:
    """The summary in one line."""
    return (
        f"goals: {_met(goals)} met; rows: {_met(rows)} within tolerance;"
        f" {seconds:.1f} s, limit {MAX_SECONDS:g} s"
    )


def _met(differences: list[Difference]) -> str:
    return f"{sum(difference.is_met for difference in differences)} of {len(differences)}"


def _is_near(key: str, score: float, expected: float) -> bool:
    return abs(score - expected) <= (SLACK_TOLERANCE if key.endswith("slack") else RATE_TOLERANCE)


def reliability_lines(reliability: Mapping[str, Mapping[str, list[Mapping[str, float]]]]) -> Iterator[str]:
    """The bins of each policy and kind of statement, in ascending order of the stated risk."""
    for policy, kinds in reliability.items():
        for kind, bins in kinds.items():
            observed = "days within" if kind == "cpu_bound" else "observed"
            yield f"\n{policy} {kind}: stated, {observed}, container-days"
            for row in bins:
                yield f"{row['stated']:8.2%} {row['came']:8.2%} {row['container_days']:6d}"


def cold_start_lines(scores: Iterable[tuple[int, str, Mapping[str, Any]]]) -> Iterator[str]:
    """One line for each length of history and policy; a dash if the policy states no risk."""
    yield f"{'hours':>5} {'policy':8}" + "".join(f"{title:>13}" for title, *_ in _COLD_START_COLUMNS)
    for hours, name, policy_scores in scores:
        cells = (
            format(policy_scores[key], form) if policy_scores.get(key) is not None else "-"
            for _, key, form in _COLD_START_COLUMNS
        )
        yield f"{hours:5d} {name:8}" + "".join(f"{cell:>13}" for cell in cells)


def main() -> None:
    """Prints all scores; exit code 1 if a row or the time limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    started = perf_counter()
    usage, period = asyncio.run(read_past(parser.parse_args().history))
    scores = document(replay(usage, period))
    seconds = perf_counter() - started
    policies: Mapping[str, Mapping[str, float]] = scores["policies"]
    print(json.dumps(policies, indent=1))
    print("\nstated and observed risk")
    print("\n".join(reliability_lines(scores["reliability"])))
    print("\nvalues from little history, held for one day")
    results = cold_start(usage, period, HOURS)
    rows_by_hours = (
        (hours, name, scores_of(result))
        for hours, by_policy in results.items()
        for name, result in by_policy.items()
    )
    print("\n".join(cold_start_lines(rows_by_hours)))
    rows, goals = differences(policies)
    for title, expectation, listed in (
        ("reference rows", "expected", rows),
        ("goals", "limit", goals),
    ):
        print(f"\n{title}: policy, score, value, {expectation}")
        for difference in listed:
            print(difference)
    print(f"\n{verdict(rows, goals, seconds)}")
    sys.exit(seconds > MAX_SECONDS or not all(difference.is_met for difference in rows))


async def read_past(history: Path) -> tuple[Usage, EvaluationPeriod]:
    """The usage of a history file and its evaluation period; exits if the file is too short."""
    recorded = read_recorded_history(history)
    steps = StepRange(recorded.first_step, recorded.last_step)
    usage = await collect_usage(recorded, recorded, steps, lambda _name: True, lambda _done, _total: None)
    period = evaluation_period(usage.days) if usage else None
    if usage is None or period is None:
        raise SystemExit(f"{history} is too short")
    return usage, period


if __name__ == "__main__":
    main()

"""Every policy on recorded usage, beside published rows and goals: `make bench-accuracy HISTORY=FILE.npz`.

The rows are those of the Bitbrains trace of July 2013 (478 machines, 5,561 days of machines), worked out
independently of this code. Fails where a rule strays from its row, or where the replay takes too long.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from app.backtest.collecting import past_usage
from app.backtest.protocol import protocol_of
from app.backtest.replay import replay
from app.backtest.report import document
from app.estimation.samples import StepRange
from app.sources.recorded import read_recorded_history

SLACK_TOLERANCE, RATE_TOLERANCE = 0.01, 0.003
MOST_SECONDS = 120.0
_KEYS = ("cpu_relative_slack", "cpu_time_above", "memory_relative_slack", "memory_days_above")
ROWS: Mapping[str, tuple[float, float, float, float]] = {
    "krr": (0.187, 0.0463, 0.687, 0.0203),
    "vpa": (0.215, 0.0310, 0.672, 0.0696),
    "autopilot": (0.430, 0.0093, 0.506, 0.303),
    "clairvoyant": (0.261, 0.0087, 0.444, 0.0),
}
# No more than this is wanted of our own.
GOALS: Mapping[str, Mapping[str, float]] = {
    "low": {
        "cpu_relative_slack": 0.36,
        "cpu_time_above": 0.010,
        "memory_relative_slack": 0.68,
        "memory_days_above": 0.010,
    },
    "normal": {
        "cpu_relative_slack": 0.15,
        "cpu_time_above": 0.030,
        "cpu_days_mostly_above": 0.026,
        "memory_relative_slack": 0.62,
        "memory_days_above": 0.020,
        "changes_per_day": 0.3,
    },
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure beside what it should be."""

    policy: str
    key: str
    found: float
    wanted: float
    is_met: bool

    def __str__(self) -> str:
        return f"{self.policy:12} {self.key:24} {self.found:8.4f} {self.wanted:8.4f} {self._verdict}"

    @property
    def _verdict(self) -> str:
        return "" if self.is_met else "MISSED"


def differences(policies: Mapping[str, Mapping[str, float]]) -> tuple[list[Difference], list[Difference]]:
    """Of the other tools' rules from their rows, and of ours from the goals."""
    rows = [
        Difference(name, key, policies[name][key], wanted, _is_near(key, policies[name][key], wanted))
        for name, row in ROWS.items()
        for key, wanted in zip(_KEYS, row, strict=True)
    ]
    goals = [
        Difference(name, key, policies[name][key], wanted, policies[name][key] <= wanted)
        for name, wants in GOALS.items()
        for key, wanted in wants.items()
    ]
    return rows, goals


def _is_near(key: str, found: float, wanted: float) -> bool:
    return abs(found - wanted) <= (SLACK_TOLERANCE if key.endswith("slack") else RATE_TOLERANCE)


def main() -> None:
    """Print all figures; exit code 1 where a row or the time is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    started = perf_counter()
    policies = asyncio.run(_policies(parser.parse_args().history))
    seconds = perf_counter() - started
    print(json.dumps(policies, indent=1))
    rows, goals = differences(policies)
    for title, figures in (("beside their rows", rows), ("beside the goals", goals)):
        print(f"\n{title}: policy, figure, found, wanted")
        for figure in figures:
            print(figure)
    print(f"\n{seconds:.1f} s, at most {MOST_SECONDS:g} wanted")
    sys.exit(seconds > MOST_SECONDS or not all(figure.is_met for figure in rows))


async def _policies(history: Path) -> Mapping[str, Mapping[str, float]]:
    recorded = read_recorded_history(history)
    steps = StepRange(recorded.first_step, recorded.last_step)
    usage = await past_usage(recorded, recorded, steps, lambda _name: True, lambda _done, _total: None)
    protocol = protocol_of(usage.days) if usage else None
    if usage is None or protocol is None:
        raise SystemExit(f"{history} is too short")
    policies: Mapping[str, Mapping[str, float]] = document(replay(usage, protocol))["policies"]
    return policies


if __name__ == "__main__":
    main()

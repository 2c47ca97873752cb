"""Rows of other tools' rules on the Bitbrains trace of July 2013, which were computed by other code."""

from collections.abc import Iterator, Mapping

from app.backtest.report import scores_of
from benchmarks.accuracy.limits import Check
from benchmarks.accuracy.recorded_set import RecordedSet

NAME, CONTAINER_DAYS = "bitbrains-2013-7", 5561
SLACK_TOLERANCE, RATE_TOLERANCE = 0.01, 0.003
_KEYS = ("cpu_relative_slack", "cpu_time_above", "memory_relative_slack", "memory_days_above")
ROWS: Mapping[str, tuple[float, float, float, float]] = {
    "krr": (0.187, 0.0463, 0.687, 0.0203),
    "vpa": (0.215, 0.0310, 0.672, 0.0696),
    "autopilot": (0.430, 0.0093, 0.506, 0.303),
    "clairvoyant": (0.261, 0.0087, 0.444, 0.0),
}


def reference_checks(of_set: RecordedSet) -> Iterator[Check]:
    """Our re-implementations beside the rows; nothing for other sets."""
    if (of_set.name, of_set.container_days) != (NAME, CONTAINER_DAYS):
        return
    for name, row in ROWS.items():
        scores = scores_of(of_set.replay.policies[name])
        for key, expected in zip(_KEYS, row, strict=True):
            tolerance = SLACK_TOLERANCE if key.endswith("slack") else RATE_TOLERANCE
            value = float(scores[key] or 0)
            yield Check(f"{name} {key}", of_set.name, value, expected + tolerance, expected - tolerance)

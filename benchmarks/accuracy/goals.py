"""Goals for CPU at `normal` that constants have to keep where they are tuned, and where they are judged."""

from app.backtest.scores import DayScores

TIME_ABOVE, CPU_CHANGES = 0.035, 0.12  # share of the time; changes of a value a day
CPU_WASTE, CPU_OVERUSE = 1.3, 0.6  # of KRR's


def days_below_half_of_p95(krr: DayScores) -> float:
    """The most days with a value below half of their P95: 2 %, or .65 of KRR's share if that is larger."""
    return max(0.02, 0.65 * float(krr.is_below_half_of_p95.mean()))

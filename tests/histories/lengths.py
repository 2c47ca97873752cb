"""Lengths of histories that cover a whole number of days."""

DAY_SECONDS = 86400


def days_from_midnight(now: float, whole_days: int, *, ahead_seconds: int = 0) -> float:
    """The length in days of a history that starts *whole_days* before today's midnight (UTC).

    It ends *ahead_seconds* after *now*. A value depends on the number of covered days besides today: with 3
    of them constant CPU is raised by 1 / (1 + 3)^2 = 0.0625, memory by 3 / (1 + 3 / 0.6)^2 = 0.083333, on top
    of its margin, which is 15 % then (and 20 % with one day).
    """
    return whole_days + (now % DAY_SECONDS + ahead_seconds) / DAY_SECONDS

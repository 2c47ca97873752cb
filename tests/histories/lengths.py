"""How long a past is written, so that what is known of it is a whole number of days."""

DAY_SECONDS = 86400


def days_from_midnight(now: float, whole_days: int, *, ahead_seconds: int = 0) -> float:
    """The length in days of a past from *whole_days* before today's first moment (UTC) to some time ahead.

    A value depends on how many days are known besides today: with 3 of them, CPU that does not vary is raised
    by 1 / (1 + 3)^2 = 0.0625, memory by 3 / (1 + 3 / 0.6)^2 = 0.083333, on top of its margin, which is 15 %
    then (and 20 % with one day).
    """
    return whole_days + (now % DAY_SECONDS + ahead_seconds) / DAY_SECONDS

"""Units, round ticks, dates and positions of labels."""

import pytest

from app.charts.amounts import ticks, unit_for
from app.charts.dates import date_range, tick_label, tick_times
from app.charts.downsampling import interval_seconds
from app.charts.label_placement import spread
from app.domain.profiles import Resource
from tests.charts.views import DAY, MONDAY


@pytest.mark.parametrize(
    ("resource", "amount", "shown"),
    [
        (Resource.CPU, 0.0264, "26.4m"),
        (Resource.CPU, 1.0, "1"),
        (Resource.CPU, 12.345, "12.3"),
        (Resource.CPU, 0.00001, "0.01m"),
        (Resource.MEMORY, 1000, "0.977 KiB"),
        (Resource.MEMORY, 347 * 2**20, "347 MiB"),
        (Resource.MEMORY, 1.5 * 2**30, "1.5 GiB"),
        (Resource.MEMORY, 1000 * 2**30, "1000 GiB"),
    ],
)
def test_an_amount_is_shown_in_the_largest_unit_below_it(
    resource: Resource, amount: float, shown: str
) -> None:
    """Three significant digits, or all of a whole number."""
    assert unit_for(resource, amount).shown(amount) == shown


@pytest.mark.parametrize(
    ("top", "expected"),
    [(1.06, [0, 0.25, 0.5, 0.75, 1.0]), (530, [0, 200, 400]), (0.0, [0.0]), (5.0, [0, 1, 2, 3, 4, 5])],
)
def test_ticks_are_round(top: float, expected: list[float]) -> None:
    """A fifth of the top, rounded up to 1, 2, 2.5 or 5 times a power of ten, is between two ticks."""
    assert ticks(top) == expected


def test_few_days_have_hours_and_midnights_have_dates() -> None:
    """One day on 400 pixels has room for 8 labels of 48 pixels: one each three hours."""
    times = tick_times(MONDAY, MONDAY + DAY, 400)

    assert [tick_label(time) for time in times] == [
        "2 Mar", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "3 Mar"
    ]  # fmt: skip


def test_the_title_of_a_time_axis_has_the_year() -> None:
    """The end is the midnight after the last day."""
    assert date_range(MONDAY, MONDAY + DAY) == "2 Mar 2026, UTC"
    assert date_range(MONDAY, MONDAY + 3 * DAY) == "2 Mar to 4 Mar 2026, UTC"
    assert date_range(MONDAY - 70 * DAY, MONDAY) == "22 Dec 2025 to 1 Mar 2026, UTC"


def test_fourteen_days_on_560_pixels_are_hours() -> None:
    """14 * 24 hours of 1.67 pixels each; on 200 pixels three hours have 1.79."""
    assert interval_seconds(14 * DAY, 560) == 3600
    assert interval_seconds(14 * DAY, 200) == 3 * 3600


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([10.0, 50.0], [10.0, 50.0]),
        ([50.0, 50.0], [50.0, 60.0]),
        ([99.0, 98.0, 20.0], [100.0, 90.0, 20.0]),
        ([0.0, 1.0, 2.0], [0.0, 10.0, 20.0]),
        ([], []),
    ],
)
def test_labels_are_spread(wanted: list[float], placed: list[float]) -> None:
    """Ten apart within 0 and 100, in the order of what they name."""
    assert spread(wanted, 10, 0, 100) == placed

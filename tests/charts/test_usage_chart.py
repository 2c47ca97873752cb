"""The chart of usage: amounts in units, real dates, gaps, labels apart from each other, times of pressure."""

from itertools import combinations, pairwise

import pytest

from app.charts.pressure_lanes import Span, Spans
from app.charts.theme import ink
from app.charts.usage_chart import usage_chart
from app.charts.usage_panel import Change
from app.domain.profiles import Pressure, Resource
from tests.charts.views import (
    DAY,
    MEBIBYTE,
    MONDAY,
    STEP,
    label_boxes,
    label_positions,
    layers,
    rows,
    samples,
    texts,
    usage_view,
)


def test_the_lines_are_named_with_their_amounts() -> None:
    """The largest amount is the limit, a core: so the unit is cores."""
    spec = usage_chart(usage_view())

    assert spec["title"]["text"] == "CPU, cores"
    assert texts(spec) == ["limit 1", "request 0.5", "value 0.2", "usage"]


def test_amounts_below_a_core_are_in_millicores() -> None:
    """0.2 cores are 200 millicores."""
    spec = usage_chart(usage_view(limit=()))

    assert spec["title"]["text"] == "CPU, millicores"
    assert texts(spec) == ["request 500m", "value 200m", "usage"]
    assert rows(spec, "line", color=ink("blue")) == [
        {"x": MONDAY, "y": 200},
        {"x": MONDAY + 14 * DAY, "y": 200},
    ]


def test_memory_is_in_binary_units() -> None:
    """1.5 * 2^30 bytes are 1.5 GiB, and 300 * 2^20 bytes are 0.293 GiB."""
    view = usage_view(
        resource=Resource.MEMORY,
        samples=samples(14, lambda _: 300.0 * MEBIBYTE),
        value=(Change(MONDAY, 300 * MEBIBYTE),),
        request=(Change(MONDAY, 1536 * MEBIBYTE),),
        limit=(),
    )

    spec = usage_chart(view)

    assert spec["title"]["text"] == "Memory, GiB"
    assert texts(spec) == ["request 1.5 GiB", "value 0.293 GiB", "usage"]


def test_missing_samples_are_a_gap() -> None:
    """Without the samples of the second day the line ends at its midnight and begins at the next one."""
    view = usage_view(3, samples=samples(3, lambda step: float("nan") if 288 <= step < 576 else 0.1))

    points = rows(usage_chart(view), "line", color=ink("grey"))

    amounts = {point["x"]: point["y"] for point in points}
    assert amounts[MONDAY + DAY] is None
    assert not any(MONDAY + DAY < x < MONDAY + 2 * DAY for x in amounts)
    assert min(x for x in amounts if x > MONDAY + DAY) == MONDAY + 2 * DAY
    assert 0 not in amounts.values()


def test_usage_that_ended_before_is_not_joined_to_its_label() -> None:
    """The line ends after two of three days: a joint at the edge of the plot would continue nothing."""
    joints = rows(usage_chart(usage_view(3, samples=samples(2))), "rule", strokeWidth=1)

    assert ink("grey") not in {joint["colour"] for joint in joints}
    assert len(joints) == 3


def test_an_infinite_sample_is_missing_too() -> None:
    """JSON has no number for it."""
    view = usage_view(1, samples=samples(1, lambda step: float("inf") if step == 5 else 0.1))

    assert max(row["high"] for row in rows(usage_chart(view), "area") if row["high"]) == 0.1


def test_the_band_has_the_extremes_that_the_mean_hides() -> None:
    """Of 12 samples of an hour one is 0.7, the others 0.1: mean 0.15, from 0.1 to 0.7."""
    view = usage_view(samples=samples(14, lambda step: 0.7 if step == 12 else 0.1))

    highest = max(rows(usage_chart(view), "area"), key=lambda row: row["high"] or 0)

    assert (highest["low"], highest["y"], highest["high"]) == (0.1, 0.15, 0.7)
    assert highest["x"] == MONDAY + 1.5 * 3600


def test_no_samples_are_stated() -> None:
    """Without any sample there is a sentence and no line at zero."""
    spec = usage_chart(usage_view(samples=samples(0)))

    assert "No samples" in texts(spec)
    assert "usage" not in texts(spec)
    assert rows(spec, "line", color=ink("grey")) == []
    assert "no samples" in spec["description"]


def test_an_empty_view_has_axes() -> None:
    """A container without samples, value, request and limit."""
    spec = usage_chart(usage_view(samples=samples(0), value=(), request=(), limit=()))

    assert texts(spec) == ["No samples"]


def test_a_limit_far_above_is_only_named() -> None:
    """A limit of 8 cores would make usage of 0.1 cores a line at the bottom."""
    spec = usage_chart(usage_view(limit=(Change(MONDAY, 8.0),)))

    assert "limit 8000m ↑" in texts(spec)
    assert layers(spec, "line", color=ink("brown")) == []


def test_an_earlier_change_counts_from_the_start() -> None:
    """Of the changes before the first day only the last one is drawn; None interrupts the line."""
    changes = [Change(MONDAY - 2 * DAY, 0.3), Change(MONDAY - DAY, 0.4), Change(MONDAY + DAY, None)]

    spec = usage_chart(usage_view(2, value=changes, limit=()))

    assert [(row["x"] - MONDAY, row["y"]) for row in rows(spec, "line", color=ink("blue"))] == [
        (0, 400),
        (DAY, None),
        (2 * DAY, None),
    ]
    assert not any(text.startswith("value") for text in texts(spec))


def test_labels_of_lines_close_together_do_not_collide() -> None:
    """All at 0.1 cores: the labels are 14 pixels apart, as high as a line of text."""
    same = (Change(MONDAY, 0.1),)

    positions = label_positions(usage_chart(usage_view(value=same, request=same, limit=same)))

    assert len(positions) == 4
    assert min(low - high for high, low in pairwise(positions)) > 13.99


@pytest.mark.parametrize("width", [320, 720])
def test_labels_fit_beside_the_plot(width: int) -> None:
    """The longest ones, in the widest of the fonts, are within the picture and not over each other."""
    levels = {
        name: (Change(MONDAY, amount * MEBIBYTE),)
        for name, amount in (("limit", 1023), ("request", 1022), ("value", 1021))
    }
    once = [Span(MONDAY, MONDAY + STEP)]
    pressure: Spans = {Pressure.OOM_KILLED: once, Pressure.MEMORY_STALLED: once}
    view = usage_view(14, resource=Resource.MEMORY, samples=samples(14, float), **levels, pressure=pressure)

    spec = usage_chart(view, width=width)

    boxes = label_boxes(spec)
    assert len(boxes) == 6
    assert max(box.right for box in boxes) <= width - spec["padding"]["left"]
    assert not any(left.overlaps(right) for left, right in combinations(boxes, 2))


@pytest.mark.parametrize("width", [320, 720, 1600])
def test_dates_are_real_and_do_not_collide(width: int) -> None:
    """14 days from Monday, 2 March: the labels have 48 pixels each, and the title has the year."""
    spec = usage_chart(usage_view(), width=width)

    axis = spec["layer"][0]["encoding"]["x"]["axis"]
    assert axis["title"] == "2 Mar to 15 Mar 2026, UTC"
    assert all(time % DAY == 0 for time in axis["values"])
    assert len(axis["values"]) >= 2
    pixels_per_second = spec["width"] / (14 * DAY)
    assert min(b - a for a, b in pairwise(axis["values"])) * pixels_per_second >= 48


def test_pressure_has_a_lane_for_each_kind() -> None:
    """Adjacent steps are one bar; of a kind that did not occur, nothing is said."""
    spans = [Span(MONDAY + STEP * step, MONDAY + STEP * (step + 1)) for step in (100, 101, 2000)]

    spec = usage_chart(usage_view(pressure={Pressure.CPU_THROTTLING: spans, Pressure.CPU_WAITING: []}))

    bars = rows(spec, "rect")
    assert [bar["x"] for bar in bars] == [round(spec["width"] * step / (14 * 288), 1) for step in (100, 2000)]
    assert all(bar["x2"] - bar["x"] >= 1.9 for bar in bars)
    assert texts(spec)[-1] == "throttled"
    assert not any("waiting" in text for text in texts(spec))


def test_the_description_says_what_the_picture_shows() -> None:
    """People who don't see it read the same numbers."""
    spec = usage_chart(usage_view(pressure={Pressure.OOM_KILLED: []}))

    assert spec["description"] == (
        "Usage of CPU, 2 Mar to 15 Mar 2026, UTC; highest sample 0.1 cores; value 0.2 cores;"
        " request 0.5 cores; limit 1 core"
    )

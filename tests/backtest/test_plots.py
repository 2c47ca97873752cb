"""Charts of a replay: every policy is named, amounts have units, dates are real unless they were aligned."""

from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pytest

from app.backtest.plots import container, frontier
from app.backtest.protocol import EvaluationPeriod
from app.backtest.replay import Replay, replay
from app.backtest.usage import Usage
from app.charts.vega import Spec
from tests.backtest.pasts import GIBIBYTE, usage
from tests.charts.views import label_boxes, rows, texts

POLICIES = ("low", "normal", "high", "krr", "vpa", "requests")


def replayed() -> Replay:
    return replay(usage([1.0, 2.0] * 8, requests=(3.0, GIBIBYTE)), EvaluationPeriod(14, 15))


@pytest.fixture(scope="module")
def result() -> Replay:
    return replayed()


def panels(spec: Spec) -> list[Spec]:
    found: list[Spec] = spec.get("vconcat") or spec["hconcat"]
    return found


def test_the_frontier_names_every_policy(result: Replay) -> None:
    """Each policy has a mark and a label on both panels; labels don't overlap each other."""
    for panel in panels(frontier(result)):
        labels = texts(panel)
        for name in (*POLICIES, "autopilot", "clairvoyant"):
            assert sum(text.startswith(name) for text in labels) == 1
        assert len(rows(panel, "point")) == len(labels) == 8
        assert not any(left.overlaps(right) for left, right in combinations(label_boxes(panel), 2))


def test_a_containers_days_have_usage_and_values(result: Replay) -> None:
    """The panels are in cores and GiB, and every policy is named with its last value."""
    spec = container(result, 0)
    cpu, memory = panels(spec)

    assert spec["title"]["text"] == "shop/web/main"
    assert (cpu["title"]["text"], memory["title"]["text"]) == ("CPU, cores", "Memory, GiB")
    for name in POLICIES:
        assert any(text.startswith(f"{name} ") for text in texts(cpu))
    assert "requests 3" in texts(cpu)
    assert "requests 1 GiB" in texts(memory)
    assert "usage" in texts(cpu)


def test_the_days_are_those_of_the_usage(result: Replay) -> None:
    """16 days from the first day of the usage; values begin on the first evaluated day, the 15th."""
    cpu, _ = panels(container(result, 0))
    first = result.usage.first_day

    x = cpu["layer"][0]["encoding"]["x"]
    assert x["scale"]["domain"] == [first * 86_400, (first + 16) * 86_400]
    start, end = (datetime.fromtimestamp(day * 86_400, UTC) for day in (first, first + 15))
    assert x["axis"]["title"] == f"{start.day} {start:%b} to {end.day} {end:%b %Y}, UTC"
    assert {row["x"] for row in rows(cpu, "line", interpolate="step-after")} == {
        day * 86_400 for day in range(first + 14, first + 17)
    }


def test_a_short_past_has_hours_and_no_dates() -> None:
    """The starts of its containers are aligned, so the times are none of the past."""
    aligned: Usage = usage([1.0, 2.0]).aligned_starts(6)

    cpu, _ = panels(container(replay(aligned, EvaluationPeriod(1, 1, is_short_past=True)), 0))

    axis = cpu["layer"][0]["encoding"]["x"]["axis"]
    assert axis["title"] == "hours; the times of all containers are aligned"
    assert '"24 h"' in axis["labelExpr"]


def test_missing_samples_are_a_gap_here_too() -> None:
    """A day without samples has none at zero."""
    past = usage([1.0, 2.0] * 8)
    for lanes in past.lanes.values():
        lanes.values[:, 5] = np.nan

    cpu, _ = panels(container(replay(past, EvaluationPeriod(14, 15)), 0))

    start = (past.first_day + 5) * 86_400
    points = [row for row in rows(cpu, "area") if start < row["x"] < start + 86_400]
    assert points == []
    assert min(row["low"] for row in rows(cpu, "area") if row["low"] is not None) == 1

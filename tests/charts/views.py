"""Views of usage for the charts, in which every number is known."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.charts.downsampling import Samples
from app.charts.label_placement import Box
from app.charts.usage_chart import UsageView
from app.charts.usage_panel import Change
from app.charts.vega import Spec
from app.domain.profiles import Resource

DAY = 86_400
MONDAY = 1_772_409_600  # 2026-03-02
STEP = 300
MEBIBYTE = 2**20


def samples(days: int, amount: Callable[[int], float] = lambda _: 0.1) -> Samples:
    """A sample at the end of each step of *days* days from `MONDAY`: *amount* of the number of the step."""
    steps = range(days * DAY // STEP)
    times = np.array([MONDAY + STEP * (step + 1) for step in steps], dtype=np.float64)
    return Samples.of(times, np.array([amount(step) for step in steps], dtype=np.float64))


def usage_view(days: int = 14, **others: Any) -> UsageView:
    """Usage of 0.1 cores, with a value of 0.2, a request of 0.5 and a limit of 1 core."""
    levels = {
        name: (Change(MONDAY, amount),) for name, amount in (("value", 0.2), ("request", 0.5), ("limit", 1.0))
    }
    values = {"resource": Resource.CPU, "samples": samples(days), **levels, **others}
    return UsageView(start=MONDAY, end=MONDAY + days * DAY, **values)


def rows(spec: Spec, mark: str, **style: Any) -> list[dict[str, Any]]:
    """The rows of all layers with this mark and style."""
    return [row for layer in layers(spec, mark, **style) for row in layer["data"]["values"]]


def layers(spec: Spec, mark: str, **style: Any) -> list[dict[str, Any]]:
    """The layers with this mark and style."""
    return [
        layer
        for layer in spec["layer"]
        if layer["mark"]["type"] == mark and style.items() <= layer["mark"].items()
    ]


def texts(spec: Spec) -> list[str]:
    """The texts of the labels."""
    return [row["text"] for row in rows(spec, "text")]


def label_positions(spec: Spec) -> Sequence[float]:
    """The heights of the labels, from the top."""
    return sorted(row["y"] for row in rows(spec, "text"))


def label_boxes(spec: Spec) -> list[Box]:
    """About the rectangles that the labels cover: 6.6 pixels for each letter, and 13 for a line."""
    boxes = []
    for layer in layers(spec, "text"):
        side = layer["mark"]["align"]
        for row in layer["data"]["values"]:
            width = 6.6 * len(row["text"])
            left = row["x"] - {"left": 0, "center": width / 2, "right": width}[side]
            boxes.append(Box(left, row["y"] - 6, left + width, row["y"] + 6))
    return boxes

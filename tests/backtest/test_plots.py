"""Charts are well-formed, to scale, and labelled."""

import re
from xml.etree import ElementTree as ET

from app.backtest.plots import container, frontier
from app.backtest.protocol import EvaluationPeriod
from app.backtest.replay import Replay, replay
from app.backtest.svg import Panel, picture
from tests.backtest.pasts import GIBIBYTE, usage

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """All texts in *svg*."""
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def corners(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """The points of each line of one colour."""
    lines = re.findall(rf"<polyline points='([^']*)' fill='none' stroke='{colour}'", svg)
    return [[(float(x), float(y)) for x, y in (p.split(",") for p in line.split())] for line in lines]


def test_a_line_is_to_scale_and_interrupted_at_missing_values() -> None:
    """The range of x from 0 to 4 spans the axes, 70 to 850 of 1000 with a legend; y = 0 is at the bottom."""
    panel = Panel("a <title>", "x", "y", width=1000, height=400)
    panel.line("usage & more", "#123456", [(0, 0), (1, 2), (2, float("nan")), (4, 4)])

    drawn = picture([panel])

    first, last = corners(drawn, "#123456")
    assert [x for x, _ in first + last] == [70, 70 + 780 / 4, 850]
    assert first[0][1] == 400 - 44
    assert first[1][1] > last[0][1] > 34
    assert {"a <title>", "usage & more", "x", "y"} <= set(texts(drawn))


def test_steps_hold_until_the_next_one() -> None:
    """(0, 1), (2, 3), ending at 3, is a line of four corners, two of them at x = 2."""
    panel = Panel("", "", "", width=720)
    panel.steps("", "#123456", [(0, 1), (2, 3), (3, float("nan"))])

    (line,) = corners(picture([panel]), "#123456")

    xs, ys = [x for x, _ in line], [y for _, y in line]
    assert xs == [70, 490, 490, 700]
    assert ys[0] == ys[1] > ys[2] == ys[3]


def test_a_point_beyond_the_axis_is_labelled_at_the_edge() -> None:
    """A point beyond `x_max` is drawn at the edge with its x in the label."""
    panel = Panel("", "", "", width=590, x_max=10)
    panel.points("#123456", [("near", (5, 1)), ("far", (40, 1))])

    drawn = picture([panel])

    assert re.findall(r"<circle cx='([\d.]+)'", drawn) == ["320.0", "570.0"]
    assert {"near", "far (40) →"} <= set(texts(drawn))


def test_a_chart_without_points_is_valid() -> None:
    """A panel without points is drawn without an error."""
    assert texts(picture([Panel("empty", "x", "y")]))


def result() -> Replay:
    return replay(usage([1.0, 2.0] * 8, requests=(3.0, GIBIBYTE)), EvaluationPeriod(14, 15))


def test_the_frontier_names_every_policy() -> None:
    """Each policy is labelled on both panels."""
    labels = texts(frontier(result()))

    for name in ("low", "normal", "high", "krr", "vpa", "clairvoyant", "requests"):
        assert sum(text.startswith(name) for text in labels) == 2


def test_a_containers_days_have_usage_and_values() -> None:
    """The panels are in cores and MiB; 1 GiB is 1024 MiB, so the axis has a tick at 1000."""
    labels = texts(container(result(), 0))

    assert {"usage, hourly maximum", "normal", "krr", "requests", "cores", "MiB"} <= set(labels)
    assert any("shop/web/main" in text for text in labels)
    assert {"1", "2", "3", "1000"} <= set(labels)

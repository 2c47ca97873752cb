"""Slack against risk: a policy that is far worse, undefined scores, labels beside their marks."""

from itertools import combinations

from app.charts.frontier_chart import FrontierPanel, RiskPoint, frontier_chart
from app.charts.vega import Spec
from tests.charts.views import label_boxes, rows, texts

UNKNOWN = float("nan")


def panel(policies: dict[str, RiskPoint], choices: list[RiskPoint] | None = None) -> Spec:
    shown = FrontierPanel("CPU", "time above the value", policies, choices or [])
    (drawn,) = frontier_chart([shown])["hconcat"]
    found: Spec = drawn
    return found


def test_a_policy_far_worse_is_at_the_edge_with_its_risk() -> None:
    """30 % is more than three times 2 %: the axis ends at 1.3 times 2 %."""
    drawn = panel({"low": RiskPoint(0.01, 0.3), "high": RiskPoint(0.02, 0.2), "vpa": RiskPoint(0.3, 0.1)})

    assert "vpa (30 %) →" in texts(drawn)
    assert max(row["x"] for row in rows(drawn, "point")) == 2.6


def test_risks_close_together_set_the_axis() -> None:
    """The axis ends a tenth after the largest risk, 5 %."""
    drawn = panel({"low": RiskPoint(0.02, 0.3), "high": RiskPoint(0.05, 0.2)})

    assert drawn["layer"][0]["encoding"]["x"]["scale"]["domain"][1] == 5.5
    assert drawn["layer"][0]["encoding"]["x"]["axis"]["values"] == [0, 2, 4]


def test_undefined_scores_are_left_out() -> None:
    """A policy without a scored day has neither mark nor label; without any the chart has axes."""
    assert texts(panel({"low": RiskPoint(0.02, 0.3), "krr": RiskPoint(UNKNOWN, UNKNOWN)})) == ["low"]
    assert texts(panel({})) == []


def test_policies_without_a_style_are_left_out() -> None:
    """The rules without their floors would cover those with them."""
    assert texts(panel({"vpa": RiskPoint(0.02, 0.3), "vpa-no-floor": RiskPoint(0.02, 0.3)})) == ["vpa"]


def test_labels_of_marks_close_together_do_not_collide() -> None:
    """Eight marks within a few pixels, on a line of choices."""
    names = ("low", "normal", "high", "krr", "vpa", "autopilot", "clairvoyant", "requests")
    marks = {name: RiskPoint(0.02 + number / 9000, 0.3) for number, name in enumerate(names)}

    drawn = panel({**marks}, [RiskPoint(0.001, 0.5), RiskPoint(0.03, 0.1)])

    boxes = label_boxes(drawn)
    assert len(boxes) == 8
    assert not any(left.overlaps(right) for left, right in combinations(boxes, 2))


def test_negative_slack_is_within_the_axis() -> None:
    """A policy that reserves less than is used: -0.2, so the axis begins at -0.22."""
    drawn = panel({"low": RiskPoint(0.02, 0.3), "high": RiskPoint(0.05, -0.2)})

    y = drawn["layer"][0]["encoding"]["y"]
    assert y["scale"]["domain"][0] == -0.2 * 1.1
    assert y["axis"]["values"] == [-0.2, -0.1, 0, 0.1, 0.2, 0.3]

"""The chart of policies: a panel per resource, a line per policy, and a sentence where there is nothing."""

from xml.etree import ElementTree as ET

from app.charts.policies import STYLES
from app.charts.policy_chart import PolicyPanel, policy_chart
from app.charts.render import svg
from app.charts.usage_panel import Change
from app.charts.vega import Spec
from app.domain.profiles import Resource
from tests.charts.views import DAY, MONDAY, layers, samples, texts


def chart(values: dict[str, float]) -> Spec:
    """One panel of a day with usage of 0.1 cores."""
    changes = {name: [Change(MONDAY, amount)] for name, amount in values.items()}
    panel = PolicyPanel("main: CPU", Resource.CPU, samples(1), changes)
    return policy_chart("shop/web", [panel], MONDAY, MONDAY + DAY)


def test_each_policy_has_a_line_of_its_own_kind() -> None:
    """No two policies have the same colour, nor the same kind of line or mark with a similar one."""
    (panel,) = chart(dict.fromkeys(STYLES, 0.2))["vconcat"]

    lines = layers(panel, "line", interpolate="step-after")
    assert len(lines) == len(STYLES)
    assert len({line["mark"]["color"] for line in lines}) == len(STYLES)
    dashed = [style.dashes for style in STYLES.values() if style.dashes]
    assert len(set(dashed)) == len(dashed)


def test_requests_far_above_are_only_named() -> None:
    """Values of 0.2 cores could not be distinguished below a request of 4 cores."""
    (panel,) = chart({"normal": 0.2, "high": 0.18, "requests": 4.0})["vconcat"]

    assert "requests 4000m ↑" in texts(panel)
    assert panel["layer"][0]["encoding"]["y"]["scale"]["domain"][1] == 0.2 * 1.06 * 1000


def test_without_panels_there_is_a_sentence() -> None:
    """A workload may have no sample in the days that count."""
    root = ET.fromstring(svg(policy_chart("shop/web", [], MONDAY, MONDAY + DAY)))

    assert {"shop/web", "No samples"} <= {"".join(element.itertext()) for element in root.iter()}

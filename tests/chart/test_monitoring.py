"""ServiceMonitor, alerts and dashboard: off by default, with expressions on existing metrics."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.conftest import Render
from tests.chart.program_metrics import program_metrics
from tests.chart.rendered import CHART, REPOSITORY, Release
from tests.parts.locate import Part, require

pytestmark = [pytest.mark.chart, pytest.mark.prometheus]

SCENARIOS = Path(__file__).parent / "alert_scenarios.yaml"
EVERYTHING = {name: {"enabled": True} for name in ("serviceMonitor", "rules", "dashboard")}
SELECTOR = re.compile(r"\b((?:job_profiler|apiserver)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


def alerts(release: Release) -> list[dict[str, Any]]:
    [group] = release.one("PrometheusRule")["spec"]["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
    return read


def panel_expressions() -> Iterator[str]:
    """The queries of the dashboard, with values for Grafana's variables."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$namespace", "profiling")


def promtool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require(Part.PROMTOOL), *args], capture_output=True, text=True, check=False, timeout=60
    )


def rule_file(directory: Path, rules: list[dict[str, Any]]) -> Path:
    file = directory / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "job-profiler", "rules": rules}]}))
    return file


def test_nothing_is_rendered_by_default(render: Render) -> None:
    """By default there are no objects of Prometheus Operator: a cluster may not have their kinds."""
    release = render()

    assert not [kind for kind in ("ServiceMonitor", "PrometheusRule") if release.of(kind)]
    assert release.names("ConfigMap") == {"job-profiler-status"}


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_every_pod_is_scraped_once(render: Render, topology: str) -> None:
    """The ServiceMonitor selects Services by labels; each has the port, and no Pod is in two Services."""
    release = render(topology=topology, monitoring=EVERYTHING)
    monitor = release.one("ServiceMonitor")["spec"]
    selected = [
        service["spec"]
        for service in release.of("Service")
        if monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]

    [endpoint] = monitor["endpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("health", "/metrics", "30s")
    assert all("health" in {port["name"] for port in service["ports"]} for service in selected)
    for deployment in release.of("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert len([service for service in selected if service["selector"].items() <= labels.items()]) == 1


def test_gauges_keep_the_namespace_of_the_workload(render: Render) -> None:
    """Otherwise a scrape renames it to `exported_namespace`, and `namespace` is the profiler's own."""
    [endpoint] = render(monitoring=EVERYTHING).one("ServiceMonitor")["spec"]["endpoints"]

    assert endpoint["honorLabels"] is True


def test_labels_are_those_that_the_operators_look_for(render: Render) -> None:
    """Each object has the labels of the values; the dashboard has the namespace of Grafana's sidecar."""
    release = render(
        monitoring={
            "serviceMonitor": {"enabled": True, "labels": {"release": "kps"}, "interval": "1m"},
            "rules": {"enabled": True, "labels": {"role": "alert-rules"}},
            "dashboard": {"enabled": True, "namespace": "grafana", "labels": {"grafana_dashboard": "2"}},
        }
    )

    config_map = release.one("ConfigMap", "job-profiler-dashboard")
    assert release.one("ServiceMonitor")["metadata"]["labels"]["release"] == "kps"
    assert release.one("ServiceMonitor")["spec"]["endpoints"][0]["interval"] == "1m"
    assert release.one("PrometheusRule")["metadata"]["labels"]["role"] == "alert-rules"
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "2"
    assert config_map["metadata"]["namespace"] == "grafana"
    assert json.loads(config_map["data"]["job-profiler.json"]) == dashboard()


def test_prometheus_takes_the_rules(render: Render, tmp_path: Path) -> None:
    """`promtool check rules` accepts every alert."""
    rules = alerts(render(monitoring=EVERYTHING))
    checked = promtool("check", "rules", rule_file(tmp_path, rules))

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"SUCCESS: {len(rules)} rules found" in checked.stdout


def test_alerts_fire_when_they_should(render: Render, tmp_path: Path) -> None:
    """The series of each scenario fire exactly the alerts that it lists (`promtool test rules`)."""
    rule_file(tmp_path, alerts(render(monitoring=EVERYTHING)))
    scenarios = tmp_path / SCENARIOS.name
    scenarios.write_text(SCENARIOS.read_text())
    tested = promtool("test", "rules", scenarios)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_seen_to_fire_and_to_be_silent(render: Render) -> None:
    """The scenarios have a firing and a silent case for each alert."""
    cases = [
        case
        for scenario in yaml.safe_load(SCENARIOS.read_text())["tests"]
        for case in scenario["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in alerts(render(monitoring=EVERYTHING))}

    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


def test_every_alert_has_a_runbook(render: Render) -> None:
    """Each alert links to the section of docs/pages/runbooks.md with its name; each section has an alert."""
    rules = alerts(render(monitoring=EVERYTHING))
    sections = set(re.findall(r"(?m)^## (\w+)$", (REPOSITORY / "docs" / "pages" / "runbooks.md").read_text()))

    assert {rule["alert"] for rule in rules} == sections
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"docs/pages/runbooks.md#{rule['alert'].lower()}"
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_runbooks_are_where_the_user_reads_them(render: Render) -> None:
    """The links begin with monitoring.rules.runbookUrl."""
    url = "https://wiki.example/profiler"
    rules = alerts(render(monitoring={"rules": {"enabled": True, "runbookUrl": url}}))

    assert {rule["annotations"]["runbook_url"].split("#")[0] for rule in rules} == {url}


def test_what_is_off_raises_no_alarm(render: Render) -> None:
    """There is no alert about connections without a mesh, and none about back-fill if it is off."""
    off: dict[str, Any] = {"backfill": {"enabled": False}, "profiling": {"networkMetricProvider": "none"}}
    rules = {rule["alert"]: rule["expr"] for rule in alerts(render(monitoring=EVERYTHING, **off))}

    assert "JobProfilerBackfillGrowing" not in rules
    assert 'signal_healthy{signal!="connections", ' in rules["JobProfilerSourceFailing"]


def test_rules_and_panels_use_metrics_that_exist(render: Render) -> None:
    """Each series in an expression belongs to the program or the API server, and has the matched labels."""
    labels_by_series = program_metrics()
    expressions = [rule["expr"] for rule in alerts(render(monitoring=EVERYTHING))] + list(panel_expressions())
    selectors = [selector for expression in expressions for selector in SELECTOR.findall(expression)]

    assert {name for name, _ in selectors} - labels_by_series.keys() == set()
    wrong = [
        (name, label)
        for name, matchers in selectors
        for label in MATCHER.findall(matchers)
        if label not in labels_by_series[name]
    ]
    assert wrong == []
    grouped = {
        label.strip()
        for expression in expressions
        for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
        for label in labels.split(",")
    }
    assert grouped <= {label for labels in labels_by_series.values() for label in labels}


def test_every_panel_query_is_valid(tmp_path: Path) -> None:
    """Each query of the dashboard is PromQL; each panel has its own place, title and description."""
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(panel_expressions())
    ]
    checked = promtool("check", "rules", rule_file(tmp_path, rules))
    panels = dashboard()["panels"]

    assert (checked.returncode, checked.stderr) == (0, "")
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels)

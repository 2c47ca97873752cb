"""The dashboards are as Grafana reads them: known fields, references, places, units and texts."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.chart.conftest import Render
from tests.chart.grafana import FILES, Dashboard, dashboard, faults
from tests.cluster.helm import HelmError

WORKLOADS: dict[str, Any] = {"workloadMetrics": True, "dashboard": {"workloads": True}}


def unknown_option(read: Dashboard) -> None:
    read["panels"][0]["options"]["colourMode"] = "value"


def unknown_field(read: Dashboard) -> None:
    read["panels"][0]["targets"][0]["legend"] = "x"


def other_type(read: Dashboard) -> None:
    read["panels"][1]["fieldConfig"]["default"] = {"unit": "s"}


def overlap(read: Dashboard) -> None:
    read["panels"][1]["gridPos"]["x"] -= 1


def beyond_the_grid(read: Dashboard) -> None:
    read["panels"][0]["gridPos"]["w"] = 25


def equal_id(read: Dashboard) -> None:
    read["panels"][1]["id"] = read["panels"][0]["id"]


def fixed_data_source(read: Dashboard) -> None:
    read["panels"][0]["datasource"]["uid"] = "prometheus"


def undefined_variable(read: Dashboard) -> None:
    read["panels"][0]["targets"][0]["expr"] = 'up{job="$job"}'


def no_unit(read: Dashboard) -> None:
    del read["panels"][0]["fieldConfig"]["defaults"]["unit"]


def unknown_unit(read: Dashboard) -> None:
    read["panels"][0]["fieldConfig"]["defaults"]["unit"] = "cores"


def no_description(read: Dashboard) -> None:
    read["panels"][0]["description"] = ""


BREAKS = (
    (unknown_option, "unknown to Grafana: .panels[0].options.colourMode"),
    (unknown_field, "unknown to Grafana: .panels[0].targets[0].legend"),
    (other_type, "unknown to Grafana: .panels[1].fieldConfig.default"),
    (overlap, "overlaps"),
    (beyond_the_grid, "is not within the grid"),
    (equal_id, "id 1 is not unique"),
    (fixed_data_source, "has no query of the chosen data source"),
    (undefined_variable, "$job is not defined"),
    (no_unit, "has the unit None"),
    (unknown_unit, "has the unit cores"),
    (no_description, "has no description"),
)


@pytest.mark.parametrize("file", FILES)
def test_a_dashboard_has_no_fault(file: str) -> None:
    """Grafana's schema keeps every field; panels have ids, places, units, descriptions, known variables."""
    assert faults(dashboard(file)) == []


@pytest.mark.parametrize(("spoil", "fault"), BREAKS, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize("file", FILES)
def test_each_fault_is_found(file: str, spoil: Callable[[Dashboard], None], fault: str) -> None:
    """A dashboard with one thing wrong has that fault."""
    spoil(spoilt := deepcopy(dashboard(file)))

    assert any(fault in found for found in faults(spoilt))


def test_dashboards_have_uids_of_their_own() -> None:
    """Grafana replaces a dashboard by another one with its uid or its title."""
    read = [dashboard(file) for file in FILES]

    assert len({each["uid"] for each in read}) == len({each["title"] for each in read}) == len(FILES)


@pytest.mark.chart
def test_each_dashboard_is_installed_on_its_own(render: Render) -> None:
    """`dashboard.workloads` gives a ConfigMap with the second dashboard only, for Grafana's sidecar."""
    release = render(monitoring=WORKLOADS)

    config_map = release.one("ConfigMap", "job-profiler-workloads-dashboard")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config_map["data"]["job-profiler-workloads.json"]) == dashboard("workloads-dashboard")
    assert "job-profiler-dashboard" not in release.names("ConfigMap")


@pytest.mark.chart
def test_links_lead_to_the_runbooks(render: Render) -> None:
    """Both dashboards have the URL of the values, also one with characters that JSON escapes."""
    url = 'https://wiki.example/a?b="c"&d=\\e'
    both = {"enabled": True, "workloads": True}
    release = render(monitoring={**WORKLOADS, "dashboard": both, "rules": {"runbookUrl": url}})

    texts = [text for config_map in release.of("ConfigMap") for text in config_map.get("data", {}).values()]
    links = [link["url"] for text in texts for link in json.loads(text)["links"] if link["type"] == "link"]
    assert links == [url, url]


@pytest.mark.chart
def test_a_dashboard_without_its_gauges_is_refused(render: Render) -> None:
    """It would show nothing."""
    with pytest.raises(HelmError, match=r"set monitoring\.workloadMetrics=true"):
        render(monitoring={"dashboard": {"workloads": True}})

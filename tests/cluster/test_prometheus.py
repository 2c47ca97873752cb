"""The Prometheus that tests run is a real one with a past."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cluster.loopback_http import request_json
from tests.conftest import PrometheusFactory

pytestmark = pytest.mark.prometheus

HISTORY = """\
# TYPE probe_requests counter
probe_requests_total{job="web"} 10 1700000000
probe_requests_total{job="web"} 20 1700000060
probe_requests_total{job="web"} 40 1700000120
# EOF
"""


def test_back_filled_samples_are_answered(prometheus_factory: PrometheusFactory, tmp_path: Path) -> None:
    """Three samples, one a minute, come back from a range query at steps of a minute as they were written."""
    openmetrics_file = tmp_path / "history.txt"
    openmetrics_file.write_text(HISTORY)
    prometheus = prometheus_factory(openmetrics_file)

    asked = {"query": "probe_requests_total", "start": 1_700_000_000, "end": 1_700_000_120, "step": 60}
    answer = request_json(f"{prometheus.url}/api/v1/query_range?{urlencode(asked)}")

    [series] = answer["data"]["result"]
    assert series["metric"] == {"__name__": "probe_requests_total", "job": "web"}
    assert series["values"] == [[1_700_000_000, "10"], [1_700_000_060, "20"], [1_700_000_120, "40"]]


def test_without_a_history_nothing_is_known(prometheus_factory: PrometheusFactory) -> None:
    """A Prometheus without a past answers with success and no series."""
    prometheus = prometheus_factory(None)

    answer = request_json(f"{prometheus.url}/api/v1/query?{urlencode({'query': 'probe_requests_total'})}")

    assert answer["status"] == "success"
    assert answer["data"]["result"] == []

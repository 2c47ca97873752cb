"""The tests' Prometheus is real and serves a back-filled history."""

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
    """A range query with steps of a minute returns the three samples, one per minute, as written."""
    openmetrics_file = tmp_path / "history.txt"
    openmetrics_file.write_text(HISTORY)
    prometheus = prometheus_factory(openmetrics_file)

    query = {"query": "probe_requests_total", "start": 1_700_000_000, "end": 1_700_000_120, "step": 60}
    answer = request_json(f"{prometheus.url}/api/v1/query_range?{urlencode(query)}")

    [series] = answer["data"]["result"]
    assert series["metric"] == {"__name__": "probe_requests_total", "job": "web"}
    assert series["values"] == [[1_700_000_000, "10"], [1_700_000_060, "20"], [1_700_000_120, "40"]]


def test_without_a_history_there_is_no_series(prometheus_factory: PrometheusFactory) -> None:
    """A Prometheus without a history responds with success and no series."""
    prometheus = prometheus_factory(None)

    answer = request_json(f"{prometheus.url}/api/v1/query?{urlencode({'query': 'probe_requests_total'})}")

    assert answer["status"] == "success"
    assert answer["data"]["result"] == []

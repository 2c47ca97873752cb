"""The tests' VictoriaMetrics is real and serves an imported history."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cluster.loopback_http import request_json
from tests.conftest import VictoriaMetricsFactory

pytestmark = pytest.mark.prometheus

HISTORY = """\
# TYPE probe_requests counter
probe_requests_total{job="web"} 10 1700000000
probe_requests_total{job="web"} 20 1700000060
probe_requests_total{job="web"} 40 1700000120
# EOF
"""


def test_imported_samples_are_answered(
    victoria_metrics_factory: VictoriaMetricsFactory, tmp_path: Path
) -> None:
    """The `increase` of a new series from 10 to 20 and 40 has the first value too, unlike Prometheus'.

    An `increase` of 40 within five minutes, which Prometheus extrapolates from 30.
    """
    openmetrics_file = tmp_path / "history.txt"
    openmetrics_file.write_text(HISTORY)
    server = victoria_metrics_factory(openmetrics_file)

    query = {"query": "increase(probe_requests_total[5m])", "time": 1_700_000_120}
    answer = request_json(f"{server.url}/api/v1/query?{urlencode(query)}")

    [series] = answer["data"]["result"]
    assert (series["metric"], series["value"][1]) == ({"job": "web"}, "40")

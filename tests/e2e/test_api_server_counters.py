"""The counters that the chaos test reads; the 1.20 API server of the build machine lacks them."""

import pytest

from tests.e2e.api_server_counters import FAILED_OPEN, REQUESTS, failures_counted

OURS, CREATE = 'name="pods.job-profiler.liqo.io"', 'operation="CREATE",rejected="false",type="admit"'
# Labels are in the order in which the API server's registry writes them.
METRICS = f"""\
# HELP {FAILED_OPEN} [ALPHA] Admission webhook fail open count, identified by name.
# TYPE {FAILED_OPEN} counter
{FAILED_OPEN}{{name="other.example.org",type="admit"}} 5
{FAILED_OPEN}{{{OURS},type="admit"}} 3
# TYPE {REQUESTS} counter
{REQUESTS}{{code="200",{OURS},{CREATE}}} 1.234e+06
{REQUESTS}{{code="400",{OURS},{CREATE}}} 2
{REQUESTS}{{code="503",{OURS},{CREATE}}} 1
{REQUESTS}{{code="503",name="other.example.org",{CREATE}}} 40
apiserver_admission_webhook_rejection_count{{error_type="no_error",{OURS},rejection_code="403"}} 9
"""


@pytest.mark.parametrize(
    ("version", "counts"),
    [
        pytest.param("1.20.2", {}, id="neither"),
        pytest.param("1.23.17", {REQUESTS: 3}, id="requests-alone"),
        pytest.param("1.36.2", {REQUESTS: 3, FAILED_OPEN: 3}, id="both"),
    ],
)
def test_each_counter_counts_failed_calls(version: str, counts: dict[str, float]) -> None:
    """3 calls to our webhook failed: two with 400 and one with 503.

    Calls with code 200 and calls to another webhook do not count.
    """
    assert failures_counted(METRICS, "pods.job-profiler.liqo.io", version) == counts


def test_a_counter_without_samples_is_zero() -> None:
    """An API server that has just started has no samples of either counter."""
    assert failures_counted("", "pods.job-profiler.liqo.io", "1.36.2") == {REQUESTS: 0, FAILED_OPEN: 0}

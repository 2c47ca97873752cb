"""The chaos test reads counters that the build machine's API server lacks: those of Kubernetes 1.24 on."""

import pytest

from tests.e2e.api_server_counters import FAILED_OPEN, REQUESTS, failures_counted

OURS, CREATE = 'name="pods.job-profiler.liqo.io"', 'operation="CREATE",rejected="false",type="admit"'
# In the order in which the registry writes labels.
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
def test_what_failed_is_told_by_each_counter(version: str, counts: dict[str, float]) -> None:
    """3 calls to our webhook found it closed: two answers of 400 and one of 503 add up to the same 3.

    What was answered with 200, and what is another webhook's, is no failure of ours.
    """
    assert failures_counted(METRICS, "pods.job-profiler.liqo.io", version) == counts


def test_a_counter_that_never_counted_stands_at_nought() -> None:
    """An API server that has just started tells of no call."""
    assert failures_counted("", "pods.job-profiler.liqo.io", "1.36.2") == {REQUESTS: 0, FAILED_OPEN: 0}

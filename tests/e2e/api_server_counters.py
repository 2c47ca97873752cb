"""The API server's counters of failed webhook calls."""

import re

FAILED_OPEN = "apiserver_admission_webhook_fail_open_count"
REQUESTS = "apiserver_admission_webhook_request_total"
# The first minor version of Kubernetes 1 with the counter; older ones only log failed calls.
_SINCE = {REQUESTS: 23, FAILED_OPEN: 24}
_SAMPLE = re.compile(r"^(?P<metric>\w+)\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
_ANSWERED = 'code="200"'


def failures_counted(metrics: str, webhook: str, version: str) -> dict[str, float]:
    """Failed calls to *webhook*, by each counter that an API server of *version* has.

    A counter without samples counts as 0: it appears with its first increment.
    """
    minor = int(version.split(".")[1])
    counts = {metric: 0.0 for metric, since in _SINCE.items() if minor >= since}
    for sample in _SAMPLE.finditer(metrics):
        metric, labels = sample["metric"], sample["labels"].split(",")
        if metric in counts and f'name="{webhook}"' in labels and _ANSWERED not in labels:
            counts[metric] += float(sample["count"])
    return counts

"""The page of metrics: every metric that the program registers, with labels and meaning."""

from collections.abc import Sequence

from prometheus_client.metrics_core import Metric

from docs.references.markdown import code, table
from tests.public_surface.metrics import collectors, described

_INTRODUCTION = """\
# Metrics

`/metrics` on `HEALTH_PORT` (8080) serves them without credentials; the chart creates a ServiceMonitor with
`monitoring.serviceMonitor.enabled`, alerts with `monitoring.rules.enabled` ([runbooks](../runbooks.md)) and a
dashboard with `monitoring.dashboard.enabled`. A replica exposes the metrics of its roles; those of the
leader's work are in the leader alone.
"""


def page() -> str:
    """The text of the page."""
    rows = sorted({_row(*one) for collector in collectors() for one in described(collector)})
    return "\n".join([_INTRODUCTION, *table(("Metric", "Type", "Labels", "Meaning"), rows)])


def _row(family: Metric, labels: Sequence[str]) -> tuple[str, ...]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return code(name), family.type, ", ".join(map(code, labels)), family.documentation

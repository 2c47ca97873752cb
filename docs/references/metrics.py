"""The page of metrics: every metric that the program registers, with labels and meaning."""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from docs.references.markdown import code, table
from tests.public_surface.metrics import collectors

_INTRODUCTION = """\
# Metrics

`/metrics` on `HEALTH_PORT` (8080) serves them without credentials; the chart creates a ServiceMonitor with
`monitoring.serviceMonitor.enabled`, alerts with `monitoring.rules.enabled` ([runbooks](../runbooks.md)) and a
dashboard with `monitoring.dashboard.enabled`. A replica exposes the metrics of its roles; those of the
leader's work are in the leader alone.
"""


def page() -> str:
    """The text of the page."""
    rows = sorted({row for collector in collectors() for row in _described(collector)})
    return "\n".join([_INTRODUCTION, *table(("Metric", "Type", "Labels", "Meaning"), rows)])


def _described(collector: Any) -> Iterator[tuple[str, str, str, str]]:
    """A row for each metric of a collector; a described family has no names of labels if it is empty."""
    if isinstance(collector, MetricWrapperBase):
        [family] = collector.describe()
        yield _row(family, collector._labelnames)  # noqa: SLF001 - the names have no other place
        return
    for one in collector.describe() if hasattr(collector, "describe") else collector.collect():
        yield _row(one, one._labelnames)  # noqa: SLF001


def _row(family: Any, labels: Iterable[str]) -> tuple[str, str, str, str]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return code(name), str(family.type), ", ".join(map(code, labels)), family.documentation

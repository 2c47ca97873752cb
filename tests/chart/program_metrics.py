"""The metrics that the program and the API server expose, each with its labels."""

from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from app.domain.catalogue import ProfileCatalogue
from app.kubernetes.self_probe.prober import Prober
from app.profiler.backfill.metrics import BackfillMetrics
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.profile_gauges import ProfileGauges
from app.runtime.health_metrics import HealthMetrics
from app.runtime.webhook_policies import probe_policy
from app.settings.environment import read_settings
from app.sources.query_metrics import QueryMetrics
from app.webhook.metrics import AdmissionMetrics

# Labels that Prometheus adds to each target of a ServiceMonitor.
TARGET_LABELS = frozenset({"namespace", "job", "instance", "pod"})
# Labels of API servers, from 1.24 on and before.
FOREIGN = {
    "apiserver_admission_webhook_fail_open_count": {"name", "type"},
    "apiserver_admission_webhook_admission_duration_seconds_bucket": {"name", "operation", "le"},
}
_ENDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "counter": {"_total": ()},
    "gauge": {"": ()},
    "histogram": {"_bucket": ("le",), "_sum": (), "_count": ()},
}
_TYPES: dict[type[MetricWrapperBase], str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


def program_metrics() -> dict[str, frozenset[str]]:
    """The labels of each series of a process in either role, with the labels of its scrape target."""
    return {
        f"{name}{ending}": TARGET_LABELS | {*labels, *extra_labels}
        for name, kind, labels in _families(_registry())
        for ending, extra_labels in _ENDINGS[kind].items()
    } | {name: frozenset(labels) for name, labels in FOREIGN.items()}


def _registry() -> CollectorRegistry:
    """A registry with every class of metrics of the program, before any I/O."""
    registry = CollectorRegistry()
    for metrics in (AdmissionMetrics, HealthMetrics, CycleMetrics, BackfillMetrics, QueryMetrics):
        cast("Any", metrics)(registry)
    ProfileGauges(ProfileCatalogue(), lambda: False, registry, max_series=0)
    Prober(cast("Any", None), probe_policy(read_settings({})), cast("Any", None), registry)
    return registry


def _families(registry: CollectorRegistry) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, type and labels of each family."""
    described = []
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            described.append((collector._name, _TYPES[type(collector)], tuple(collector._labelnames)))
        else:
            custom = cast("Any", collector)
            families = custom.describe() if hasattr(custom, "describe") else custom.collect()
            described += [(family.name, family.type, tuple(family._labelnames)) for family in families]
    return described

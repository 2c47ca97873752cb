"""The metrics of every class in `app` that takes a registry: names, types, labels and buckets."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, cast

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from tests.public_surface.application import Settings, read_settings, root_package
from tests.public_surface.source_literals import METRIC_PREFIX


class _Placeholder:
    """A placeholder for the other arguments of a metrics class, which its constructor does not use."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_, **__: None


def metrics() -> list[str]:
    """One line per metric, `name type{labels} buckets`, and one per fixed label value."""
    return sorted({line for collector in collectors() for line in _lines(collector)})


def collectors() -> Iterator[Any]:
    """The collectors of the Prometheus client that the classes register, some more than once."""
    for cls in _classes():
        yield from _collectors(cls)


def _classes() -> list[type]:
    modules = [import_module(module.name) for module in walk_packages(root_package.__path__, "app.")]
    classes = {cls for module in modules for _, cls in inspect.getmembers(module, inspect.isclass)}
    return [cls for cls in classes if cls.__module__.startswith("app.") and _takes_registry(cls)]


def _takes_registry(cls: type) -> bool:
    try:
        parameters = inspect.signature(cls).parameters.values()
    except ValueError:
        return False
    return any(parameter.annotation is CollectorRegistry for parameter in parameters)


def _collectors(cls: type) -> list[Any]:
    """The collectors that an object of the class registers; none if placeholders can't construct it."""
    registry = CollectorRegistry()
    arguments: dict[Any, Any] = {CollectorRegistry: registry, Settings: read_settings({})}
    parameters = inspect.signature(cls).parameters.values()
    required = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    # A class that fails here only passes the registry on to other metrics classes, which are collected too.
    with suppress(Exception):
        cast("Any", cls)(
            **{parameter.name: arguments.get(parameter.annotation, _Placeholder()) for parameter in required}
        )
    return list(registry._collector_to_names)


def described(collector: Any) -> Iterator[tuple[Metric, Sequence[str]]]:
    """The metrics of a collector with the names of their labels, which one without samples does not have."""
    if isinstance(collector, MetricWrapperBase):
        [family] = collector.describe()
        yield family, collector._labelnames
        return
    for family in collector.describe() if hasattr(collector, "describe") else collector.collect():
        yield family, cast("Any", family)._labelnames


def _lines(collector: Any) -> Iterator[str]:
    buckets = getattr(collector, "_upper_bounds", ())
    for family, label_names in described(collector):
        label_sets = [sample.labels for sample in family.samples]
        bounds = buckets or [float(labels["le"]) for labels in label_sets if "le" in labels]
        yield _line(family.name, family.type, label_names, [f"{bound:g}" for bound in bounds])
        for labels in label_sets:
            pairs = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "le")
            if pairs:
                yield f"{family.name} with {pairs}"


def _line(name: str, kind: str, labels: Any, bounds: list[str]) -> str:
    assert name.startswith(METRIC_PREFIX)
    return f"{name} {kind}{{{','.join(labels)}}} {' '.join(bounds)}".rstrip()

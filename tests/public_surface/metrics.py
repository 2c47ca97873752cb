"""The metrics of every class of the program that takes a registry: names, types, labels and buckets."""

import inspect
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, cast

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from tests.public_surface.application import Settings, read_settings, root_package
from tests.public_surface.source_literals import METRIC_PREFIX


class _Nothing:
    """Stands for what a class of metrics is given besides and does not ask while it is made."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_, **__: None


def metrics() -> list[str]:
    """One line for each metric: `name type{labels} buckets`, and one for each label value that is fixed."""
    return sorted({line for each in _classes() for one in _collectors(each) for line in _lines(one)})


def _classes() -> list[type]:
    modules = [import_module(each.name) for each in walk_packages(root_package.__path__, "app.")]
    classes = {each for module in modules for _, each in inspect.getmembers(module, inspect.isclass)}
    return [each for each in classes if each.__module__.startswith("app.") and _takes_registry(each)]


def _takes_registry(each: type) -> bool:
    try:
        parameters = inspect.signature(each).parameters.values()
    except ValueError:
        return False
    return any(one.annotation is CollectorRegistry for one in parameters)


def _collectors(each: type) -> list[Any]:
    """What an object of the class registers; nothing where it can't be made of nothing."""
    registry = CollectorRegistry()
    given: dict[Any, Any] = {CollectorRegistry: registry, Settings: read_settings({})}
    parameters = inspect.signature(each).parameters.values()
    needed = [one for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    # A class that needs more than that registers metrics of others, which are made by themselves too.
    with suppress(Exception):
        cast("Any", each)(**{one.name: given.get(one.annotation, _Nothing()) for one in needed})
    return list(registry._collector_to_names)


def _lines(collector: Any) -> Iterator[str]:
    if isinstance(collector, MetricWrapperBase):
        bounds = [f"{bound:g}" for bound in getattr(collector, "_upper_bounds", [])]
        yield _line(collector._name, str(collector._type), collector._labelnames, bounds)
        return
    for family in collector.describe() if hasattr(collector, "describe") else collector.collect():
        yield from _family_lines(family)


def _family_lines(family: Metric) -> Iterator[str]:
    found = [each.labels for each in family.samples]
    bounds = [f"{float(labels['le']):g}" for labels in found if "le" in labels]
    yield _line(family.name, family.type, cast("Any", family)._labelnames, bounds)
    for labels in found:
        pairs = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "le")
        if pairs:
            yield f"{family.name} with {pairs}"


def _line(name: str, kind: str, labels: Any, bounds: list[str]) -> str:
    assert name.startswith(METRIC_PREFIX)
    return f"{name} {kind}{{{','.join(labels)}}} {' '.join(bounds)}".rstrip()

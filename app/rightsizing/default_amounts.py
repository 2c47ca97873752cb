"""Amounts that the API server gives a Pod before it asks any webhook: a restatement of its rules.

A request that is not written is the limit. Then each LimitRange adds its default limits and requests to
containers and init containers that have none.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from app.domain.untyped import list_in, mapping_in
from app.rightsizing.pod_spec import CONTAINERS, INIT_CONTAINERS

Manifest = Mapping[str, Any]
_REQUESTS, _LIMITS = "requests", "limits"


def with_default_amounts(pod: Manifest, limit_ranges: Iterable[Manifest]) -> dict[str, Any]:
    """*pod* as a webhook receives it; *limit_ranges* are those of its namespace."""
    defaulted = deepcopy(dict(pod))
    entries = list(_container_entries(limit_ranges))
    for container in _containers(defaulted):
        _fill(container, _REQUESTS, mapping_in(mapping_in(container.get("resources")).get(_LIMITS)))
        for entry in entries:
            limits = {**mapping_in(entry.get("max")), **mapping_in(entry.get("default"))}
            requests = {**mapping_in(entry.get("min")), **limits, **mapping_in(entry.get("defaultRequest"))}
            _fill(container, _LIMITS, limits)
            _fill(container, _REQUESTS, requests)
    return defaulted


def _container_entries(limit_ranges: Iterable[Manifest]) -> Iterator[Mapping[str, Any]]:
    """The entries for containers; the API server stores their defaults, which other writers may leave out."""
    for manifest in limit_ranges:
        for entry in map(mapping_in, list_in(mapping_in(manifest.get("spec")).get("limits"))):
            if entry.get("type") == "Container":
                yield entry


def _containers(pod: Manifest) -> Iterator[dict[str, Any]]:
    spec = mapping_in(pod.get("spec"))
    for group in (CONTAINERS, INIT_CONTAINERS):
        yield from (container for container in list_in(spec.get(group)) if isinstance(container, dict))


def _fill(container: dict[str, Any], member: str, defaults: Mapping[str, Any]) -> None:
    """Sets the amounts of *defaults* that the container does not have."""
    missing = {
        name: amount
        for name, amount in defaults.items()
        if name not in mapping_in(mapping_in(container.get("resources")).get(member))
    }
    if missing:
        resources = dict(mapping_in(container.get("resources")))
        resources[member] = dict(mapping_in(resources.get(member))) | missing
        container["resources"] = resources

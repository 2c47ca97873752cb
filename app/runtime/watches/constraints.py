"""Watches of LimitRanges, ResourceQuotas, autoscalers and namespaces, for a webhook that sets requests.

They cover the scope of the index, as the account's rights do: if namespaces are listed, each has its own
watches. What the API server refuses to list any more is unknown from then on, so that Pods are not sized by
constraints that may have changed. VerticalPodAutoscalers are no constraints, and their CRD may be missing or
come and go: where they can't be listed, there are none.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from app.domain.annotations import is_scheduling_enabled
from app.errors import ClusterError, ExpiredError, ForbiddenError, NotFoundError, UnavailableError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector
from app.kubernetes.vertical_autoscalers import autoscaler_selection
from app.rightsizing.constraints import read_limit_range, read_quota
from app.rightsizing.governors import Governor, read_horizontal
from app.vpa.governing import read_vertical
from app.webhook.constraint_index import (
    ConstraintIndex,
    ConstraintObject,
    ConstraintObjects,
    ConstraintSink,
)

T = TypeVar("T")


def constraint_watches(client: ClusterClient, index: ConstraintIndex) -> dict[str, Reflector[Any]]:
    """The watches that keep *index* in sync, by task name; during an outage the index keeps its objects."""
    watches: dict[str, Reflector[Any]] = {}
    for namespace in index.scope or (None,):
        suffix = f" of {namespace}" if namespace else ""
        watches |= {
            f"watch of {plural}{suffix}": reflector
            for plural, reflector in _reflectors(client, index, namespace).items()
        }
    return watches


def _reflectors(
    client: ClusterClient, index: ConstraintIndex, namespace: str | None
) -> dict[str, Reflector[Any]]:
    def reflector(
        selection: ListOptions,
        constraints: ConstraintObjects[T],
        transform: Callable[[Object], ConstraintObject[T]],
    ) -> Reflector[ConstraintObject[T]]:
        sink = ConstraintSink(constraints, namespace)

        def forget_if_refused(error: ClusterError) -> None:
            if not isinstance(error, UnavailableError | ExpiredError):
                sink.forget()

        return Reflector(client, selection, sink, transform=transform, on_error=forget_if_refused)

    name = f"metadata.name={namespace}" if namespace else None
    namespaces = ListOptions(paths.namespaces(), field_selector=name, metadata_only=True)
    limit_ranges = ListOptions(paths.limit_ranges(namespace))
    quotas = ListOptions(paths.resource_quotas(namespace))
    autoscalers = ListOptions(paths.horizontal_pod_autoscalers(namespace))
    vertical: Reflector[ConstraintObject[Governor]] = Reflector(
        client,
        autoscaler_selection(namespace),
        ConstraintSink(index.vertical_autoscalers, namespace),
        transform=constraint_reader(read_vertical),
        absent_if=(NotFoundError, ForbiddenError),
    )
    return {
        "namespaces": reflector(namespaces, index.namespaces, _read_namespace),
        "limitranges": reflector(limit_ranges, index.limit_ranges, constraint_reader(read_limit_range)),
        "resourcequotas": reflector(quotas, index.quotas, constraint_reader(read_quota)),
        "horizontalpodautoscalers": reflector(
            autoscalers, index.horizontal_autoscalers, constraint_reader(read_horizontal)
        ),
        "verticalpodautoscalers": vertical,
    }


def constraint_reader(read: Callable[[Object], T]) -> Callable[[Object], ConstraintObject[T]]:
    """A function from the manifest of an object to what *read* finds in it, with its names."""

    def transform(manifest: Object) -> ConstraintObject[T]:
        metadata = manifest["metadata"]
        return ConstraintObject(metadata["namespace"], metadata["name"], read(manifest))

    return transform


def _read_namespace(manifest: Object) -> ConstraintObject[bool]:
    name = manifest["metadata"]["name"]
    return ConstraintObject(name, name, is_scheduling_enabled(manifest["metadata"].get("labels")) is True)

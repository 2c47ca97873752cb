"""Writes of VerticalPodAutoscalers and of their status, by server-side apply."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.vpa.autoscaler import VerticalAutoscaler
from app.vpa.ownership import API_VERSION, CRD, FIELD_MANAGER, KIND

STATUS_FIELD_MANAGER = "job-profiler-vpa-status"


def autoscaler_selection(namespace: str | None) -> ListOptions:
    """The list options for the objects of one namespace, or of the cluster."""
    return ListOptions(paths.vertical_pod_autoscalers(namespace))


class AutoscalerStatusClient:
    """Writes to the subresource `status`."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client

    async def write_status(self, autoscaler: VerticalAutoscaler, status: Mapping[str, Any]) -> None:
        """Apply *status*; ConflictError if the object changed since it was read, or was replaced.

        The API server gives the same 404 for an object that is gone, and for a CRD without the subresource.
        """
        manifest = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": autoscaler.name,
                "namespace": autoscaler.namespace,
                "resourceVersion": autoscaler.resource_version,
            },
            "status": dict(status),
        }
        path = paths.status(paths.vertical_pod_autoscaler(autoscaler.namespace, autoscaler.name))
        try:
            await self._client.apply(path, manifest, field_manager=STATUS_FIELD_MANAGER)
        except NotFoundError as error:
            raise NotFoundError(f"{error}: {CRD} has the subresource status from VPA 1.0 on") from error


class AutoscalerClient:
    """Writes to the objects themselves."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Create the object, or set its fields, also those that another field manager has."""
        metadata = manifest["metadata"]
        path = paths.vertical_pod_autoscaler(metadata["namespace"], metadata["name"])
        await self._client.apply(path, dict(manifest), field_manager=FIELD_MANAGER)

    async def delete(self, autoscaler: VerticalAutoscaler) -> None:
        """Delete the object, if there is one; ConflictError if it changed since it was read."""
        path = paths.vertical_pod_autoscaler(autoscaler.namespace, autoscaler.name)
        with suppress(NotFoundError):
            await self._client.delete(path, resource_version=autoscaler.resource_version)

"""Running Pods: the list options of their watch (metadata only), and writes of their annotations."""

from collections.abc import Mapping

from app.domain.pod_record import PodRecord
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions


def running_pods(namespace: str | None) -> ListOptions:
    """The Pods of one namespace, or of the cluster, that have not terminated."""
    selector = "status.phase!=Succeeded,status.phase!=Failed"
    return ListOptions(paths.pods(namespace), field_selector=selector, metadata_only=True)


class PodAnnotationWriter:
    """Writes annotations of single Pods by a merge patch."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client

    async def annotate(self, pod: PodRecord, changes: Mapping[str, str | None]) -> None:
        """Change annotations (None removes one); ConflictError if another Pod has the name meanwhile."""
        metadata = {"uid": pod.uid, "annotations": dict(changes)}
        await self._client.patch(paths.pod(pod.namespace, pod.name), {"metadata": metadata})

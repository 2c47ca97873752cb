"""Kubernetes Events, as `kubectl describe` and `kubectl get events` show them."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from app.domain.quantities import format_time
from app.errors import ClusterError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import Object

COMPONENT = "job-profiler"
log = structlog.get_logger(__name__)

_MAX_MESSAGE_CHARACTERS = 1024  # the API server rejects longer messages


@dataclass(frozen=True, slots=True)
class InvolvedObject:
    """The namespaced object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


class EventRecorder:
    """Creates Events with this replica as their source."""

    def __init__(self, client: ClusterClient, instance: str) -> None:
        self._client = client
        self._instance = instance
        self._failing: dict[str, str] = {}  # the reason for each namespace

    def faults(self) -> dict[str, str]:
        """The reason for each namespace whose last Event was not recorded."""
        return {f"Events in namespace {namespace}": reason for namespace, reason in self._failing.items()}

    async def record(
        self,
        involved: InvolvedObject,
        reason: str,
        message: str,
        *,
        now: datetime,
        kind: Literal["Normal", "Warning"] = "Normal",
    ) -> None:
        """Create an Event. A failure is only logged: a namespace's first one after a success as a warning."""
        event = _manifest(involved, format_time(now)) | {
            "reason": reason,
            "message": message[:_MAX_MESSAGE_CHARACTERS],
            "type": kind,
            "source": {"component": COMPONENT, "host": self._instance},
        }
        try:
            await self._client.create(paths.events(involved.namespace), event)
        except NotFoundError as error:
            log.debug("event_not_recorded", reason=reason, error=str(error))  # the namespace is gone
            self._failing.pop(involved.namespace, None)
        except ClusterError as error:
            write = log.debug if involved.namespace in self._failing else log.warning
            write("event_not_recorded", reason=reason, error=str(error))
            self._failing[involved.namespace] = str(error)
        else:
            self._failing.pop(involved.namespace, None)


def _manifest(involved: InvolvedObject, timestamp: str) -> Object:
    reference = {"apiVersion": involved.api_version, "kind": involved.kind, "name": involved.name}
    reference |= {"namespace": involved.namespace} | ({"uid": involved.uid} if involved.uid else {})
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{involved.name}.{secrets.token_hex(8)}", "namespace": involved.namespace},
        "involvedObject": reference,
        "count": 1,
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
    }

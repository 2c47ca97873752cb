"""Events: what `kubectl describe` and `kubectl get events` tell a person about an object."""

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

_LONGEST_MESSAGE = 1024  # the API server refuses more


@dataclass(frozen=True, slots=True)
class InvolvedObject:
    """The namespaced object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


class EventRecorder:
    """Creates Events in the name of one replica."""

    def __init__(self, client: ClusterClient, instance: str) -> None:
        self._client = client
        self._instance = instance
        self._failing: set[str] = set()  # namespaces

    async def record(
        self,
        involved: InvolvedObject,
        reason: str,
        message: str,
        *,
        now: datetime,
        kind: Literal["Normal", "Warning"] = "Normal",
    ) -> None:
        """Create an Event. Nothing depends on one, so a failure is only logged, once until one succeeds."""
        event = _manifest(involved, format_time(now)) | {
            "reason": reason,
            "message": message[:_LONGEST_MESSAGE],
            "type": kind,
            "source": {"component": COMPONENT, "host": self._instance},
        }
        try:
            await self._client.create(paths.events(involved.namespace), event)
        except NotFoundError as error:
            log.debug("event_not_recorded", reason=reason, error=str(error))  # the namespace is gone
            self._failing.discard(involved.namespace)
        except ClusterError as error:
            say = log.debug if involved.namespace in self._failing else log.warning
            say("event_not_recorded", reason=reason, error=str(error))
            self._failing.add(involved.namespace)
        else:
            self._failing.discard(involved.namespace)


def _manifest(involved: InvolvedObject, moment: str) -> Object:
    about = {"apiVersion": involved.api_version, "kind": involved.kind, "name": involved.name}
    about |= {"namespace": involved.namespace} | ({"uid": involved.uid} if involved.uid else {})
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{involved.name}.{secrets.token_hex(8)}", "namespace": involved.namespace},
        "involvedObject": about,
        "count": 1,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
    }

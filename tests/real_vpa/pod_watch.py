"""Every state of a namespace's Pods, as the API server reports it."""

import http.client
import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.real_vpa.pod_states import PodState, state_of

LONGEST_SECONDS = 3600


class PodWatch:
    """Context manager; `states` grows while it runs."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.states: list[PodState] = []
        trust = ssl.create_default_context(cafile=control_plane.ca_file)
        address = urlsplit(control_plane.server_url).netloc
        self._connection = http.client.HTTPSConnection(address, context=trust)
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._thread = threading.Thread(target=self._read, name="pod-watch", daemon=True)
        self._watch: http.client.HTTPResponse | None = None

    def __enter__(self) -> Self:
        version = json.loads(self._get("?limit=1").read())["metadata"]["resourceVersion"]
        self._watch = self._get(f"?watch=1&resourceVersion={version}&timeoutSeconds={LONGEST_SECONDS}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._connection.close()

    def of(self, workload: str) -> list[PodState]:
        """The states of a workload's Pods so far."""
        return [state for state in self.states if state.workload == workload]

    def last(self, workload: str) -> list[PodState]:
        """The last state of each Pod of a workload."""
        return list({state.name: state for state in self.of(workload)}.values())

    def _get(self, query: str) -> http.client.HTTPResponse:
        self._connection.request(
            "GET", f"{self._path}{query}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
        )
        return self._connection.getresponse()

    def _read(self) -> None:
        assert self._watch
        with suppress(OSError, ValueError, http.client.HTTPException):  # the end
            while line := self._watch.readline():
                event: dict[str, Any] = json.loads(line)
                self.states.append(state_of(event, time.time()))

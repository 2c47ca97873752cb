"""A continuous stream of Pod creations in bursts; the API server's response to each is recorded."""

import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.e2e.workloads import our_annotations

CREATORS = 12
BURST_SECONDS = 0.4
PATIENCE_SECONDS = 15
CREATED = 201


@dataclass(frozen=True, slots=True)
class Creation:
    """One creation: the API server's status (0 if the request failed), and the Pod's liqo.io annotations."""

    began: float
    status: int
    message: str = ""
    name: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


class PodStream:
    """Context manager that creates Pods; it deletes a Pod created with *expected* annotations, others stay.

    Most bursts are small and some are large, so the API server regularly calls the webhook over connections
    that were idle. On average 4 of the 12 creators join a burst every 0.4 s: 10 Pods per second.
    """

    def __init__(
        self, control_plane: ControlPlane, manifest: dict[str, Any], expected: dict[str, str]
    ) -> None:
        self.creations: list[Creation] = []
        self._address = urlsplit(control_plane.server_url).netloc
        self._trust = ssl.create_default_context(cafile=control_plane.ca_file)
        self._path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/pods"
        self._body = json.dumps(manifest)
        self._expected = expected
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._create_until_stopped, args=(Random(seed),))
            for seed in range(CREATORS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_SECONDS)

    def since(self, moment: float) -> list[Creation]:
        """The creations that began at *moment* or later (monotonic clock)."""
        return [creation for creation in self.creations if creation.began >= moment]

    def _create_until_stopped(self, chance: Random) -> None:
        connection = self._connect()
        # All creators start a burst at the same time.
        while not self._stopped.wait(BURST_SECONDS - time.monotonic() % BURST_SECONDS):
            if chance.random() < _share_of_this_burst():
                creation = self._create(connection)
                self.creations.append(creation)
                if creation.status == 0:
                    connection.close()  # the next request opens it again
        connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, timeout=PATIENCE_SECONDS, context=self._trust)

    def _create(self, connection: http.client.HTTPSConnection) -> Creation:
        began = time.monotonic()
        try:
            status, answer = self._request(connection, "POST", self._path, self._body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Creation(began, 0, repr(error))
        if status != CREATED:
            return Creation(began, status, str(answer.get("message", answer)))
        creation = Creation(began, status, "", answer["metadata"]["name"], our_annotations(answer))
        if creation.annotations == self._expected:
            self._delete(connection, creation.name)
        return creation

    def _delete(self, connection: http.client.HTTPSConnection, name: str) -> None:
        try:
            self._request(connection, "DELETE", f"{self._path}/{name}?gracePeriodSeconds=0", "")
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()  # the Pod stays; the last test checks it like every Pod that stays

    @staticmethod
    def _request(
        connection: http.client.HTTPSConnection, method: str, path: str, body: str
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def _share_of_this_burst() -> float:
    """The share of creators in the current burst, the same for all of them: 0 to 1, a third on average."""
    return Random(int(time.monotonic() / BURST_SECONDS)).random() ** 2

"""An imitation of other back ends: it rejects, changes or forwards requests to a real Prometheus."""

import json
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from tests.cluster.processes import free_ports


@dataclass(frozen=True)
class ReceivedRequest:
    """A received request; `answer` is the response of Prometheus."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]
    answer: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Reply:
    """A response: JSON, or a page."""

    status: int
    body: dict[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


Play = Callable[[ReceivedRequest], Reply | None]


class Backend:
    """A context manager; *play* returns the reply to a request, or None to forward it to Prometheus.

    With a TLS context it serves HTTPS. `requests` has the received requests.
    """

    def __init__(self, prometheus_url: str, play: Play, tls: ssl.SSLContext | None = None) -> None:
        [port] = free_ports(1)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.requests: list[ReceivedRequest] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._respond(self.path, self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                self._respond(path, query.encode())

            def _respond(self, path: str, body: bytes) -> None:
                form = {key: value for key, [value] in parse_qs(body.decode()).items()}
                request = ReceivedRequest(
                    self.command,
                    path,
                    {name.lower(): value for name, value in self.headers.items()},
                    form,
                    lambda: _prometheus(prometheus_url, self.command, body),
                )
                backend.requests.append(request)
                reply = play(request) or Reply(200, request.answer())
                content = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *_: object) -> None:
                """Writes no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _prometheus(url: str, method: str, form: bytes) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    endpoint = f"{url}/api/v1/query_range"
    request = urllib.request.Request(endpoint, form)
    if method == "GET":
        request = urllib.request.Request(f"{endpoint}?{form.decode()}")
    with opener.open(request, timeout=30) as answer:
        body: dict[str, Any] = json.loads(answer.read())
    return body

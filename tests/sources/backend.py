"""A server in front of a real Prometheus that plays other back ends: it may refuse, change or pass on."""

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
class Asked:
    """A request as it came; `answer` is Prometheus' own."""

    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]
    answer: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Reply:
    """What is answered: JSON, or a page."""

    status: int
    body: dict[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


Play = Callable[[Asked], Reply | None]


class Backend:
    """A context manager; *play* gives the reply to a request, or None for Prometheus' own.

    With a context it speaks TLS. `requests` keeps what came.
    """

    def __init__(self, prometheus_url: str, play: Play, tls: ssl.SSLContext | None = None) -> None:
        [port] = free_ports(1)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.requests: list[Asked] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                form = {key: value for key, [value] in parse_qs(body.decode()).items()}
                asked = Asked(
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    form,
                    lambda: _prometheus(prometheus_url, body),
                )
                backend.requests.append(asked)
                reply = play(asked) or Reply(200, asked.answer())
                content = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

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


def _prometheus(url: str, form: bytes) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/v1/query_range", form, timeout=30) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told

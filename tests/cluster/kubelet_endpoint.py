"""The part of a kubelet that the API server calls: `kubectl logs` works, and `kubectl exec` is refused."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

from tests.tls.issued import issue_authority, issue_serving_certificate

LOOPBACK = "127.0.0.1"
FOLLOW_SECONDS = 0.5
NOTHING_RUNS = "Nothing runs in this Pod: a stand-in for the kubelet only writes its status.\n"
NO_EXEC = "nothing can be executed in a Pod of this stand-in for the kubelet: run the command on this machine"

LogOf = Callable[[str, str], Path | None]


class KubeletEndpoint:
    """HTTPS on a free loopback port, from its own threads."""

    def __init__(self, log_of: LogOf) -> None:
        self._stopped = Event()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(log_of, self._stopped))
        self._server.daemon_threads = True
        self._server.socket = _context().wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, name="kubelet-endpoint", daemon=True)

    def start(self) -> None:
        """Starts to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stops, also for clients that follow a log."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(log_of: LogOf, stopped: Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one request of the API server."""

        def do_GET(self) -> None:
            """Sends the log of a container: /containerLogs/NAMESPACE/POD/CONTAINER."""
            target = urlsplit(self.path)
            parts, query = target.path.strip("/").split("/"), parse_qs(target.query)
            if parts[0] != "containerLogs" or len(parts) < 4:
                self._refuse()
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            log = log_of(parts[1], parts[2])
            if log is None:
                self.wfile.write(NOTHING_RUNS.encode())
                return
            text = log.read_bytes()
            self.wfile.write(_tail(text, query.get("tailLines", [""])[0]))
            if query.get("follow") == ["true"]:
                with suppress(OSError):  # the client has stopped
                    self._follow(log, len(text))

        def do_POST(self) -> None:
            """Refuses to execute, attach or forward."""
            self._refuse()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the standard library
            """Nothing is logged."""

        def _refuse(self) -> None:
            body = NO_EXEC.encode()
            self.send_response(HTTPStatus.NOT_IMPLEMENTED)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _follow(self, log: Path, sent: int) -> None:
            """Sends what is added until the client or the endpoint stops, or the log is gone."""
            while not stopped.wait(FOLLOW_SECONDS) and log.exists():
                text = log.read_bytes()[sent:]
                self.wfile.write(text)
                sent += len(text)

    return Handler


def _tail(text: bytes, lines: str) -> bytes:
    if not lines:
        return text
    return b"".join(text.splitlines(keepends=True)[-int(lines) :] if int(lines) else [])


def _context() -> ssl.SSLContext:
    """A certificate that API servers without --kubelet-certificate-authority do not verify."""
    now = datetime.now(UTC)
    pair = issue_serving_certificate(issue_authority(now), (LOOPBACK,), now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        certificate, key = Path(directory) / "tls.crt", Path(directory) / "tls.key"
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.private_key)
        context.load_cert_chain(certificate, key)
    return context

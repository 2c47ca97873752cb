"""The forwarder treats connections as a Service does: readiness counts when they begin, and never again."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.cluster.processes import free_ports
from tests.cluster.service_forwarder import LOOPBACK, Endpoint, ServiceForwarder


class Replica(ThreadingHTTPServer):
    """Answers /readyz as it is told to, and every other path with its name."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__((LOOPBACK, 0), _Answer)
        self.name, self.is_ready = name, True

    @property
    def endpoint(self) -> Endpoint:
        """It, as the forwarder is told of it."""
        return Endpoint(self.name, self.server_port, f"http://{LOOPBACK}:{self.server_port}/readyz")


class _Answer(BaseHTTPRequestHandler):
    """Keeps connections open."""

    protocol_version = "HTTP/1.1"
    server: Replica

    def do_GET(self) -> None:
        body = self.server.name.encode()
        self.send_response(503 if self.path == "/readyz" and not self.server.is_ready else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Keeps requests out of the test's output."""


@contextmanager
def serving(name: str) -> Iterator[Replica]:
    """A replica that serves until the context is left; connections that are open then stay open."""
    with Replica(name) as replica:
        thread = Thread(target=replica.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield replica
        finally:
            replica.shutdown()
            thread.join()


@pytest.fixture
def replicas() -> Iterator[tuple[Replica, Replica]]:
    """Two of them."""
    with serving("one") as one, serving("two") as two:
        yield one, two


@pytest.fixture
def forwarder(replicas: tuple[Replica, Replica]) -> Iterator[ServiceForwarder]:
    """It forwards to both, and looks at them every 20 ms."""
    [port] = free_ports(1)
    with ServiceForwarder(port, poll_seconds=0.02) as running:
        for replica in replicas:
            running.add(replica.endpoint)
        running.until_ready("one", "two")
        yield running


def connect(forwarder: ServiceForwarder) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(LOOPBACK, forwarder.port, timeout=5)


def asked(connection: http.client.HTTPConnection) -> str:
    """The name of the replica that answers."""
    connection.request("GET", "/name")
    return connection.getresponse().read().decode()


def names(forwarder: ServiceForwarder, count: int) -> list[str]:
    """Who answers so many new connections."""
    with ExitStack() as stack:
        return [asked(stack.enter_context(closing(connect(forwarder)))) for _ in range(count)]


def test_new_connections_go_to_ready_replicas_in_turn(
    forwarder: ServiceForwarder, replicas: tuple[Replica, Replica]
) -> None:
    """Of four connections each of two replicas gets two; the one that is not ready gets none, until it is."""
    one, _ = replicas
    assert sorted(names(forwarder, 4)) == ["one", "one", "two", "two"]

    one.is_ready = False
    forwarder.until_ready("two")
    assert names(forwarder, 4) == ["two"] * 4

    one.is_ready = True
    forwarder.until_ready("one", "two")
    assert sorted(names(forwarder, 4)) == ["one", "one", "two", "two"]
    assert forwarder.forwarded == {"one": 4, "two": 8}


def test_an_open_connection_stays_where_it_is(
    forwarder: ServiceForwarder, replicas: tuple[Replica, Replica]
) -> None:
    """It is answered by the same replica after that is not ready any more."""
    with closing(connect(forwarder)) as connection:
        name = asked(connection)
        left, other = replicas if replicas[0].name == name else replicas[::-1]
        left.is_ready = False
        forwarder.until_ready(other.name)

        assert [asked(connection) for _ in range(3)] == [name] * 3


def test_without_a_ready_replica_a_connection_is_reset(
    forwarder: ServiceForwarder, replicas: tuple[Replica, Replica]
) -> None:
    """At once, and not when the client gives up; the same holds for a replica that ended unseen."""
    for replica in replicas:
        replica.is_ready = False
    forwarder.until_ready()

    with closing(connect(forwarder)) as connection, pytest.raises(ConnectionError):
        asked(connection)


def test_a_replica_that_ended_resets_connections_until_that_is_seen() -> None:
    """The forwarder looked once and never again: it still sends clients to a port that nobody listens on."""
    [port] = free_ports(1)
    forwarder = ServiceForwarder(port, poll_seconds=3600)
    with serving("gone") as replica:
        forwarder.add(replica.endpoint)
        with forwarder:
            forwarder.until_ready("gone")
            replica.socket.close()

            with closing(connect(forwarder)) as connection, pytest.raises(ConnectionError):
                asked(connection)


def test_an_end_that_one_side_sends_reaches_the_other(forwarder: ServiceForwarder) -> None:
    """A client that says its last word still gets the answer, and then the end: both directions are apart."""
    with socket.create_connection((LOOPBACK, forwarder.port), timeout=5) as client:
        client.sendall(b"GET /name HTTP/1.1\r\nHost: any\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.splitlines()[-1] in {b"one", b"two"}

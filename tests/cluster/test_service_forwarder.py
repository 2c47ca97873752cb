"""The forwarder behaves like a Service: readiness matters only when a connection is opened."""

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
    """An HTTP server whose /readyz follows `is_ready`; every other path returns its name."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__((LOOPBACK, 0), _Answer)
        self.name, self.is_ready = name, True

    @property
    def endpoint(self) -> Endpoint:
        """The replica as an endpoint of the forwarder."""
        return Endpoint(self.name, self.server_port, f"http://{LOOPBACK}:{self.server_port}/readyz")


class _Answer(BaseHTTPRequestHandler):
    """A handler that keeps connections open."""

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
    """A replica that serves until the context exits; connections that are open then stay open."""
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
    """Two replicas."""
    with serving("one") as one, serving("two") as two:
        yield one, two


@pytest.fixture
def forwarder(replicas: tuple[Replica, Replica]) -> Iterator[ServiceForwarder]:
    """A forwarder with both replicas that polls their readiness every 20 ms."""
    [port] = free_ports(1)
    with ServiceForwarder(port, poll_seconds=0.02) as running:
        for replica in replicas:
            running.add(replica.endpoint)
        running.until_ready("one", "two")
        yield running


def connect(forwarder: ServiceForwarder) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(LOOPBACK, forwarder.port, timeout=5)


def replica_name(connection: http.client.HTTPConnection) -> str:
    """The name of the replica that responds."""
    connection.request("GET", "/name")
    return connection.getresponse().read().decode()


def names(forwarder: ServiceForwarder, count: int) -> list[str]:
    """The names of the replicas that serve *count* new connections."""
    with ExitStack() as stack:
        return [replica_name(stack.enter_context(closing(connect(forwarder)))) for _ in range(count)]


def test_new_connections_go_to_ready_replicas_in_turn(
    forwarder: ServiceForwarder, replicas: tuple[Replica, Replica]
) -> None:
    """Of four connections each of two replicas gets two; an unready replica gets none until it is ready."""
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
    """The same replica still responds on an open connection after it became unready."""
    with closing(connect(forwarder)) as connection:
        name = replica_name(connection)
        left, other = replicas if replicas[0].name == name else replicas[::-1]
        left.is_ready = False
        forwarder.until_ready(other.name)

        assert [replica_name(connection) for _ in range(3)] == [name] * 3


def test_without_a_ready_replica_a_connection_is_reset(
    forwarder: ServiceForwarder, replicas: tuple[Replica, Replica]
) -> None:
    """Without a ready replica a connection is reset at once, before the client's time-out."""
    for replica in replicas:
        replica.is_ready = False
    forwarder.until_ready()

    with closing(connect(forwarder)) as connection, pytest.raises(ConnectionError):
        replica_name(connection)


def test_a_replica_that_ended_resets_connections_until_that_is_seen() -> None:
    """Until the next poll, connections to a terminated replica are reset: nothing listens on its port."""
    [port] = free_ports(1)
    forwarder = ServiceForwarder(port, poll_seconds=3600)
    with serving("gone") as replica:
        forwarder.add(replica.endpoint)
        with forwarder:
            forwarder.until_ready("gone")
            replica.socket.close()

            with closing(connect(forwarder)) as connection, pytest.raises(ConnectionError):
                replica_name(connection)


def test_a_removed_replica_gets_no_further_connection() -> None:
    """From its removal on, also before the next poll, all connections go to the other replica."""
    [port] = free_ports(1)
    forwarder = ServiceForwarder(port, poll_seconds=3600)
    with serving("leaving") as leaving, serving("other") as other:
        for replica in (leaving, other):
            forwarder.add(replica.endpoint)
        with forwarder:
            forwarder.until_ready("leaving", "other")
            forwarder.remove("leaving")

            assert names(forwarder, 4) == ["other"] * 4


def test_a_half_closed_connection_still_carries_the_response(forwarder: ServiceForwarder) -> None:
    """A client that half-closes its connection still gets the response: the directions are independent."""
    with socket.create_connection((LOOPBACK, forwarder.port), timeout=5) as client:
        client.sendall(b"GET /name HTTP/1.1\r\nHost: any\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.splitlines()[-1] in {b"one", b"two"}

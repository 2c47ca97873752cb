"""The reflector: its sink follows the API server through failed lists and watches."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from app.errors import NotFoundError
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector
from app.periodic import Backoff
from tests.kubernetes.fake_api_server import FakeApiServer, bookmark, event, listed, refuses, thing
from tests.kubernetes.polling import Clock, until
from tests.kubernetes.reflectors import NameSink, running

THINGS = "/api/v1/things"
ERROR_500 = {"type": "ERROR", "object": {"code": 500, "message": "etcd is ill"}}
ERROR_410 = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}


def reflector_of(client: ClusterClient, sink: NameSink, **options: Any) -> Reflector[Object]:
    """A reflector of `THINGS` with pauses of 10 to 50 ms."""
    pauses = Backoff(first_seconds=0.01, limit_seconds=0.05)
    return Reflector(client, ListOptions(THINGS), sink, **{"backoff": pauses, **options})


async def test_list_then_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """The list {a, b} and the changes +c, -a are {b, c}; the watch begins at the list's resourceVersion."""
    server.on("GET", THINGS, listed(thing("a"), thing("b"), resource_version="10"))
    changes = (event("ADDED", "c", "11"), event("MODIFIED", "b", "12"), event("DELETED", "a", "13"))
    server.on("WATCH", THINGS, server.streams(*changes), server.streams(then_hangs=True))
    sink = NameSink()
    reflector = reflector_of(client, sink)
    assert not reflector.is_synced

    async with running(reflector):
        await server.wait_for("WATCH", 2)

    assert sink.names == {"b", "c"}
    assert sink.calls == ["replace", "upsert", "upsert", "delete"]
    assert server.received("WATCH")[0].query["resourceVersion"] == "10"
    assert reflector.is_synced


async def test_an_ended_watch_is_resumed(server: FakeApiServer, client: ClusterClient) -> None:
    """After a normal end, the next watch begins at the last event or bookmark, without another list."""
    server.on("GET", THINGS, listed(resource_version="10"))
    server.on(
        "WATCH",
        THINGS,
        server.streams(event("ADDED", "a", "11")),
        server.streams(event("ADDED", "b", "12"), bookmark("40")),
        server.streams(then_hangs=True),
    )

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("WATCH", 3)

    starts = [request.query["resourceVersion"] for request in server.received("WATCH")]
    assert starts[:3] == ["10", "11", "40"]
    assert len(server.received("GET")) == 1


async def test_durations_of_watches_are_random(server: FakeApiServer, client: ClusterClient) -> None:
    """Each watch asks for a random time of 240 to 600 s, so that replicas do not reconnect together."""
    server.on("GET", THINGS, listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams(event("MODIFIED", "a", "11")))

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("WATCH", 8)

    seconds = [int(request.query["timeoutSeconds"]) for request in server.received("WATCH")]
    assert all(240 <= duration <= 600 for duration in seconds)
    assert len(set(seconds)) > 1


@pytest.mark.parametrize("error", [ERROR_410, ERROR_500, b'{"type": "ADD\n'], ids=["410", "500", "malformed"])
async def test_an_error_in_the_stream_lists_again(
    server: FakeApiServer, client: ClusterClient, error: object
) -> None:
    """After any error inside a watch, a new list removes objects that were deleted meanwhile."""
    server.on("GET", THINGS, listed(thing("gone")), listed(thing("new"), resource_version="50"))
    server.on("WATCH", THINGS, server.streams(error), server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 2)

    assert sink.names == {"new"}
    assert server.received("WATCH")[1].query["resourceVersion"] == "50"


async def test_a_refused_watch_lists_again(server: FakeApiServer, client: ClusterClient) -> None:
    """A 410 as response to a watch leads to a new list as well."""
    server.on("GET", THINGS, listed(), listed(thing("new")))
    server.on("WATCH", THINGS, refuses(410), server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 2)

    assert sink.names == {"new"}


async def test_an_outage_resumes_the_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """After refused and hanging connections the watch resumes at its resourceVersion, without a list."""
    server.on("GET", THINGS, listed(thing("a"), resource_version="10"))
    server.on(
        "WATCH",
        THINGS,
        server.streams(event("ADDED", "b", "11")),
        refuses(503),
        server.hangs(),
        server.streams(event("ADDED", "c", "12"), then_hangs=True),
    )
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 5)

    assert sink.names == {"a", "b", "c"}
    assert [request.query["resourceVersion"] for request in server.received("WATCH")][:4] == [
        "10",
        *3 * ["11"],
    ]
    assert len(server.received("GET")) == 1


async def test_silence_reconnects(server: FakeApiServer, client: ClusterClient) -> None:
    """A watch without data for the allowed 0.3 s is opened again, since its connection may be dead."""
    server.on("GET", THINGS, listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), then_hangs=True))

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("WATCH", 2, within_seconds=2)

    assert server.received("WATCH")[1].query["resourceVersion"] == "11"


async def test_empty_watches_do_not_spin(server: FakeApiServer, client: ClusterClient) -> None:
    """Watches that end at once without an event are followed by pauses, and after the third by a list.

    With pauses of 0.05, 0.1 and 0.2 s (half of 0.1, 0.2 and 0.4) watches begin at 0, 0.05, 0.15 and 0.35 s:
    at most four in 0.5 s, and fewer on a slow machine; the fourth follows a new list.
    """
    server.on("GET", THINGS, listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams())
    pauses = Backoff(first_seconds=0.1, limit_seconds=0.4, chance=lambda: 0)

    async with running(reflector_of(client, NameSink(), backoff=pauses)):
        await asyncio.sleep(0.5)
        assert len(server.received("WATCH")) <= 4
        await server.wait_for("WATCH", 4)

    verbs = [request.verb for request in server.requests]
    assert verbs[:6] == ["GET", "WATCH", "WATCH", "WATCH", "GET", "WATCH"]


async def test_a_failing_list_is_tried_again_with_pauses(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """The list is retried after every class of error."""
    server.on("GET", THINGS, refuses(403), refuses(404), refuses(500), refuses(410), listed(thing("a")))
    server.on("WATCH", THINGS, server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 1)

    assert sink.names == {"a"}


async def test_retry_after_is_obeyed(server: FakeApiServer, client: ClusterClient) -> None:
    """After a 429 with `Retry-After: 1` the next request is 1 s later, although the pause alone is 0.01 s."""
    server.on("GET", THINGS, refuses(429, headers={"Retry-After": "1"}), listed())
    server.on("WATCH", THINGS, server.streams(then_hangs=True))

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("GET", 1)
        await asyncio.sleep(0.8)
        assert len(server.received("GET")) == 1
        await server.wait_for("GET", 2, within_seconds=2)


async def test_one_log_line_per_change(server: FakeApiServer, client: ClusterClient) -> None:
    """Five failures of one kind are one line, and the recovery is one line."""
    server.on("GET", THINGS, *(5 * [refuses(503, "overloaded")]), listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11")), server.streams(then_hangs=True))

    with capture_logs() as lines:
        async with running(reflector_of(client, NameSink())):
            await server.wait_for("WATCH", 2)

    changes = [(line["event"], line["log_level"]) for line in lines if line["log_level"] != "debug"]
    assert changes == [("contact_lost", "warning"), ("contact_regained", "info")]
    assert "overloaded" in lines[0]["reason"]


async def test_one_expired_watch_is_not_logged(server: FakeApiServer, client: ClusterClient) -> None:
    """A single 410, which every long watch meets, is no loss of contact."""
    server.on("GET", THINGS, listed())
    server.on("WATCH", THINGS, server.streams(ERROR_410), server.streams(then_hangs=True))

    with capture_logs() as lines:
        async with running(reflector_of(client, NameSink())):
            await server.wait_for("WATCH", 2)

    assert [line for line in lines if line["log_level"] != "debug"] == []


async def test_watches_that_always_fail_are_one_loss_of_contact(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """Each list succeeds and each watch fails: one loss of contact, and no recovery in between."""
    server.on("GET", THINGS, listed())
    server.on("WATCH", THINGS, server.streams(ERROR_500))

    with capture_logs() as lines:
        async with running(reflector_of(client, NameSink())):
            await server.wait_for("WATCH", 5)

    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["contact_lost"]


async def test_pages_of_an_expired_list_are_dropped(server: FakeApiServer, client: ClusterClient) -> None:
    """The first page of a list that expired does not reach the sink."""
    first = listed(thing("gone"), continuation="rest")
    server.on("GET", THINGS, first, refuses(410), listed(thing("new")))
    server.on("WATCH", THINGS, server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 1)

    assert sink.names == {"new"}


async def test_each_event_is_a_contact(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A bookmark 60 s after the begin of the watch is the last contact."""
    server.on("GET", THINGS, listed())
    later = asyncio.Event()

    async def watch(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await later.wait()
        await response.write(json.dumps(bookmark("20")).encode() + b"\n")
        await server.closing.wait()
        return response

    server.on("WATCH", THINGS, watch)
    clock = Clock(1000)
    reflector = reflector_of(patient_client, NameSink(), clock=clock)

    async with running(reflector):
        await until(lambda: reflector.is_synced)
        await server.wait_for("WATCH", 1)
        clock.now = 1060
        later.set()
        await until(lambda: reflector.last_contact == 1060)


async def test_failures_are_no_contact(server: FakeApiServer, client: ClusterClient) -> None:
    """The time of the last event stays while only failures follow."""
    server.on("GET", THINGS, listed())
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11")), refuses(503))
    clock = Clock(1000)
    reflector = reflector_of(client, NameSink(), clock=clock)
    assert reflector.last_contact is None

    async with running(reflector):
        await server.wait_for("WATCH", 2)
        clock.now = 2000
        await server.wait_for("WATCH", 4)

    assert reflector.last_contact == 1000


async def test_managed_fields_are_removed(server: FakeApiServer, client: ClusterClient) -> None:
    """The sink gets objects without managed fields, from a list and from a watch."""
    owned = thing("a") | {"metadata": {"name": "a", "resourceVersion": "1", "managedFields": [{"x": 1}]}}
    server.on("GET", THINGS, listed(owned))
    server.on("WATCH", THINGS, server.streams({"type": "MODIFIED", "object": owned}, then_hangs=True))
    received: list[Object] = []

    class Sink(NameSink):
        def replace(self, objects: Iterable[Object]) -> None:
            received.extend(objects)

        def upsert(self, manifest: Object) -> None:
            received.append(manifest)

    async with running(reflector_of(client, Sink())):
        await server.wait_for("WATCH", 2)

    assert received[:2] == 2 * [thing("a")]


async def test_a_fault_of_the_sink_ends_the_run(server: FakeApiServer, client: ClusterClient) -> None:
    """An exception of the sink is a fault of the program: it is raised, not retried."""
    server.on("GET", THINGS, listed())

    class Broken(NameSink):
        def replace(self, objects: Iterable[Object]) -> None:
            raise KeyError("fault", objects)

    with pytest.raises(KeyError, match="fault"):
        await reflector_of(client, Broken()).run()


async def test_a_resource_that_may_be_missing(server: FakeApiServer, client: ClusterClient) -> None:
    """A 404 is an empty list and no fault; a later attempt finds the resource, and another 404 empties it."""
    server.on(
        "GET", THINGS, refuses(404), refuses(404), listed(thing("a"), resource_version="10"), refuses(404)
    )
    server.on("WATCH", THINGS, refuses(404))
    seen: list[set[str]] = []

    class Remembering(NameSink):
        def replace(self, objects: Iterable[Object]) -> None:
            super().replace(objects)
            seen.append(set(self.names))

    sink = Remembering()
    reflector = reflector_of(client, sink, absent_if=(NotFoundError,))

    async with running(reflector):
        await until(lambda: {"a"} in seen and not seen[-1])

    assert reflector.fault is None
    assert reflector.is_synced
    assert reflector.is_absent
    assert reflector.has_settled
    assert sink.calls[:3] == ["replace", "replace", "replace"]

"""The reflector: the sink is in step with the API server, whatever becomes of lists and watches."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

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
    pauses = Backoff(first_seconds=0.01, limit_seconds=0.05)
    return Reflector(client, ListOptions(THINGS), sink, **{"backoff": pauses, **options})


async def test_list_then_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """The list {a, b} and the changes +c, -a leave {b, c}; the watch begins where the list was made."""
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


async def test_a_watch_that_ended_goes_on(server: FakeApiServer, client: ClusterClient) -> None:
    """After an ordinary end the next watch begins at the last event or bookmark, without a new list."""
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


async def test_watches_last_minutes_and_differ(server: FakeApiServer, client: ClusterClient) -> None:
    """Each watch asks for 240 to 600 s, not always the same, so that replicas do not come back together."""
    server.on("GET", THINGS, listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams(event("MODIFIED", "a", "11")))

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("WATCH", 8)

    seconds = [int(request.query["timeoutSeconds"]) for request in server.received("WATCH")]
    assert all(240 <= each <= 600 for each in seconds)
    assert len(set(seconds)) > 1


@pytest.mark.parametrize("error", [ERROR_410, ERROR_500, b'{"type": "ADD\n'], ids=["410", "500", "malformed"])
async def test_an_error_in_the_stream_lists_again(
    server: FakeApiServer, client: ClusterClient, error: object
) -> None:
    """After any error inside a watch the list is read anew: what vanished meanwhile is gone from the sink."""
    server.on("GET", THINGS, listed(thing("gone")), listed(thing("new"), resource_version="50"))
    server.on("WATCH", THINGS, server.streams(error), server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 2)

    assert sink.names == {"new"}
    assert server.received("WATCH")[1].query["resourceVersion"] == "50"


async def test_a_refused_watch_lists_again(server: FakeApiServer, client: ClusterClient) -> None:
    """A 410 in place of a watch lists again too."""
    server.on("GET", THINGS, listed(), listed(thing("new")))
    server.on("WATCH", THINGS, refuses(410), server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 2)

    assert sink.names == {"new"}


async def test_an_outage_resumes_the_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """Refused and hanging connections cost no new list: the watch resumes where it was."""
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
    """A watch on a connection that went dead is opened anew after the 0.3 s of silence that are allowed."""
    server.on("GET", THINGS, listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), then_hangs=True))

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("WATCH", 2, within_seconds=2)

    assert server.received("WATCH")[1].query["resourceVersion"] == "11"


async def test_empty_watches_do_not_spin(server: FakeApiServer, client: ClusterClient) -> None:
    """Watches that end at once without an event have pauses between; after the third the list is read anew.

    With pauses of 0.05, 0.1 and 0.2 s (half of 0.1, 0.2 and 0.4) watches begin at 0, 0.05, 0.15 and 0.35 s:
    at most four in 0.5 s, and fewer on a slow machine; the fourth comes after a new list.
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
    """The list is asked for again after every failure, of whatever class, until it comes."""
    server.on("GET", THINGS, refuses(403), refuses(404), refuses(500), refuses(410), listed(thing("a")))
    server.on("WATCH", THINGS, server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 1)

    assert sink.names == {"a"}


async def test_retry_after_is_obeyed(server: FakeApiServer, client: ClusterClient) -> None:
    """A 429 with `Retry-After: 1` is asked again after 1 s, though the pause alone would be 0.01 s."""
    server.on("GET", THINGS, refuses(429, headers={"Retry-After": "1"}), listed())
    server.on("WATCH", THINGS, server.streams(then_hangs=True))

    async with running(reflector_of(client, NameSink())):
        await server.wait_for("GET", 1)
        await asyncio.sleep(0.8)
        assert len(server.received("GET")) == 1
        await server.wait_for("GET", 2, within_seconds=2)


async def test_one_log_line_per_change(server: FakeApiServer, client: ClusterClient) -> None:
    """Five failures of one kind in a row are one line, and the recovery is one line."""
    server.on("GET", THINGS, *(5 * [refuses(503, "overloaded")]), listed(resource_version="10"))
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11")), server.streams(then_hangs=True))

    with capture_logs() as lines:
        async with running(reflector_of(client, NameSink())):
            await server.wait_for("WATCH", 2)

    told = [(line["event"], line["log_level"]) for line in lines if line["log_level"] != "debug"]
    assert told == [("contact_lost", "warning"), ("contact_regained", "info")]
    assert "overloaded" in lines[0]["reason"]


async def test_one_expired_watch_is_no_news(server: FakeApiServer, client: ClusterClient) -> None:
    """A single 410, which every long-lived watch meets, is not logged as a loss."""
    server.on("GET", THINGS, listed())
    server.on("WATCH", THINGS, server.streams(ERROR_410), server.streams(then_hangs=True))

    with capture_logs() as lines:
        async with running(reflector_of(client, NameSink())):
            await server.wait_for("WATCH", 2)

    assert [line for line in lines if line["log_level"] != "debug"] == []


async def test_a_stream_that_fails_for_ever_is_news(server: FakeApiServer, client: ClusterClient) -> None:
    """When each list works and each watch fails, that is one loss, and no recovery between."""
    server.on("GET", THINGS, listed())
    server.on("WATCH", THINGS, server.streams(ERROR_500))

    with capture_logs() as lines:
        async with running(reflector_of(client, NameSink())):
            await server.wait_for("WATCH", 5)

    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["contact_lost"]


async def test_a_list_that_begins_anew(server: FakeApiServer, client: ClusterClient) -> None:
    """What the first try of an expired list held does not reach the sink."""
    first = listed(thing("gone"), continuation="rest")
    server.on("GET", THINGS, first, refuses(410), listed(thing("new")))
    server.on("WATCH", THINGS, server.streams(then_hangs=True))
    sink = NameSink()

    async with running(reflector_of(client, sink)):
        await server.wait_for("WATCH", 1)

    assert sink.names == {"new"}


async def test_each_event_is_a_contact(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A bookmark that comes 60 s after the watch began is the last contact."""
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


async def test_last_contact_is_the_last_word(server: FakeApiServer, client: ClusterClient) -> None:
    """The time of the last event is kept while only failures follow."""
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


async def test_the_sink_gets_what_is_kept(server: FakeApiServer, client: ClusterClient) -> None:
    """Managed fields never reach the sink, neither from a list nor from a watch."""
    owned = thing("a") | {"metadata": {"name": "a", "resourceVersion": "1", "managedFields": [{"x": 1}]}}
    server.on("GET", THINGS, listed(owned))
    server.on("WATCH", THINGS, server.streams({"type": "MODIFIED", "object": owned}, then_hangs=True))
    seen: list[Object] = []

    class Sink(NameSink):
        def replace(self, objects: Iterable[Object]) -> None:
            seen.extend(objects)

        def upsert(self, manifest: Object) -> None:
            seen.append(manifest)

    async with running(reflector_of(client, Sink())):
        await server.wait_for("WATCH", 2)

    assert seen[:2] == 2 * [thing("a")]


async def test_a_fault_of_the_sink_ends_the_run(server: FakeApiServer, client: ClusterClient) -> None:
    """An exception of the sink is not retried: it is a fault of the program and must be seen."""
    server.on("GET", THINGS, listed())

    class Broken(NameSink):
        def replace(self, objects: Iterable[Object]) -> None:
            raise KeyError("fault", objects)

    with pytest.raises(KeyError, match="fault"):
        await reflector_of(client, Broken()).run()

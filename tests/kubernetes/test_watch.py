"""One watch: its events, and the ways in which it ends."""

import asyncio
from pathlib import Path

import pytest

from app.errors import ExpiredError, ForbiddenError, UnavailableError
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.connection import Timeouts
from app.kubernetes.list_options import UNREADABLE, ListOptions, WatchEvent
from tests.kubernetes.fake_api_server import (
    Answer,
    FakeApiServer,
    bookmark,
    breaks_off,
    event,
    refuses,
    thing,
)

THINGS = "/api/v1/things"
ALL = ListOptions(THINGS)


async def collect(client: ClusterClient) -> list[WatchEvent]:
    """All events of a watch from resourceVersion 10."""
    async with client.watch(ALL, "10", timeout_seconds=299.6) as events:
        return [event async for event in events]


async def test_events_come_in_order(server: FakeApiServer, client: ClusterClient) -> None:
    """The request has a resourceVersion, whole seconds and bookmarks; each line is one event."""
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), bookmark("15")))

    assert await collect(client) == [
        WatchEvent("ADDED", thing("a", "11"), "11"),
        WatchEvent("BOOKMARK", bookmark("15")["object"], "15"),
    ]
    assert server.requests[0].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "300",
        "resourceVersion": "10",
    }


async def test_events_are_delivered_at_once(server: FakeApiServer, client: ClusterClient) -> None:
    """An event is delivered while the watch continues."""
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), then_hangs=True))

    async with asyncio.timeout(0.25), client.watch(ALL, "10", timeout_seconds=300) as events:
        assert (await anext(events)).resource_version == "11"


async def test_a_long_line_is_one_event(server: FakeApiServer, client: ClusterClient) -> None:
    """An object of 6 MiB is read completely, although the library's buffer has 2 MiB."""
    large = event("ADDED", "a", "11")
    large["object"]["data"] = "x" * (6 * 1024 * 1024)
    server.on("WATCH", THINGS, server.streams(large))

    [only] = await collect(client)

    assert len(only.object["data"]) == 6 * 1024 * 1024


async def test_a_line_that_is_too_long_is_left_out(server: FakeApiServer, client: ClusterClient) -> None:
    """A line of more than 16 MiB does not fill the memory, and the next one is an event as ever."""
    endless = b'{"' + b"x" * (33 * 1024 * 1024) + b"\n"
    server.on("WATCH", THINGS, server.streams(endless, event("ADDED", "a", "11"), endless[:-1]))

    first, second = await collect(client)

    assert first == WatchEvent(UNREADABLE, {}, "", "a line of more than 16 MiB")
    assert second.resource_version == "11"


@pytest.mark.parametrize(
    "line",
    [
        {"type": "ERROR", "object": {"code": 410, "message": "too old resource version: 10 (99)"}},
        {"type": "ERROR", "object": {"code": 500, "message": "etcd event received with PrevKv=nil"}},
        {"type": "ERROR", "object": {}},
        {"type": "SURPRISE", "object": thing("a")},
    ],
    ids=str,
)
async def test_errors_expire_the_watch(server: FakeApiServer, client: ClusterClient, line: object) -> None:
    """Any error inside the stream (500 like 410) requires a new list."""
    server.on("WATCH", THINGS, server.streams(line))

    with pytest.raises(ExpiredError, match=f"watch of {THINGS}"):
        await collect(client)


UNREADABLE_LINES = [
    {"type": "ADDED", "object": {"metadata": {}}},
    {"type": "ADDED", "object": {"metadata": None}},
    {"type": "ADDED", "object": {"metadata": {"resourceVersion": 11}}},
    {"type": "ADDED", "object": ["a"]},
    {"type": "ADDED"},
    {"type": 7, "object": {}},
    b'{"type": "ADDED", "obj\n',
    b"\xff\xfe\n",
    b'"\xff"\n',
    b"[" * 100_000 + b"\n",
    b"\n",
]


@pytest.mark.parametrize("line", UNREADABLE_LINES, ids=lambda line: str(line)[:40])
async def test_an_unreadable_line_is_left_out(
    server: FakeApiServer, client: ClusterClient, line: object
) -> None:
    """The event after it is delivered."""
    server.on("WATCH", THINGS, server.streams(line, event("ADDED", "a", "11")))

    first, second = await collect(client)

    assert (first.kind, second.resource_version) == (UNREADABLE, "11")
    assert first.fault


async def test_silence_ends_the_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """After 0.3 s without data the watch ends normally; earlier events are delivered."""
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), then_hangs=True))

    async with asyncio.timeout(2):
        assert [event.resource_version for event in await collect(client)] == ["11"]


async def test_a_watch_that_never_begins(server: FakeApiServer, tmp_path: Path) -> None:
    """Without response headers a watch fails as any request does: after 0.1 s, not after 70 s."""
    server.on("WATCH", THINGS, server.hangs())
    timeouts = Timeouts(request_seconds=0.1, inactivity_seconds=70)

    async with asyncio.timeout(2), open_cluster(server.kubeconfig(tmp_path), timeouts) as client:
        with pytest.raises(UnavailableError):
            await collect(client)


async def test_a_broken_connection(server: FakeApiServer, client: ClusterClient) -> None:
    """A broken connection is an UnavailableError: the watch can resume from the last event."""
    server.on("WATCH", THINGS, breaks_off())

    with pytest.raises(UnavailableError, match=f"watch of {THINGS}"):
        await collect(client)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(refuses(410), ExpiredError), (refuses(403), ForbiddenError), (refuses(429), UnavailableError)],
    ids=["410", "403", "429"],
)
async def test_a_refused_watch(
    server: FakeApiServer, client: ClusterClient, answer: Answer, expected: type[Exception]
) -> None:
    """A refused watch raises the same errors as any request."""
    server.on("WATCH", THINGS, answer)

    with pytest.raises(expected):
        await collect(client)


async def test_exceptions_of_the_caller_are_not_converted(
    server: FakeApiServer, client: ClusterClient
) -> None:
    """An OSError of the code that handles the events is not mistaken for one of the connection."""
    server.on("WATCH", THINGS, server.streams(then_hangs=True))

    with pytest.raises(OSError, match="disk full"):
        async with client.watch(ALL, "10", timeout_seconds=300):
            raise OSError("disk full")

"""One watch: the lines that an API server writes, and every way in which they can end."""

import asyncio
from pathlib import Path

import pytest

from app.errors import ExpiredError, ForbiddenError, UnavailableError
from app.kubernetes.client import ClusterClient, open_cluster
from app.kubernetes.connection import Timeouts
from app.kubernetes.list_options import ListOptions, WatchEvent
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
    async with client.watch(ALL, "10", timeout_seconds=299.6) as events:
        return [event async for event in events]


async def test_events_come_in_order(server: FakeApiServer, client: ClusterClient) -> None:
    """A watch asks for bookmarks, from a resourceVersion, for whole seconds; each line is one event."""
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


async def test_an_event_is_told_when_it_comes(server: FakeApiServer, client: ClusterClient) -> None:
    """An event is delivered while the watch goes on, not when it ends."""
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), then_hangs=True))

    async with asyncio.timeout(0.25), client.watch(ALL, "10", timeout_seconds=300) as events:
        assert (await anext(events)).resource_version == "11"


async def test_a_long_line_is_one_event(server: FakeApiServer, client: ClusterClient) -> None:
    """An object of 6 MiB, more than the library's buffer of 2 MiB holds, is read whole."""
    large = event("ADDED", "a", "11")
    large["object"]["data"] = "x" * (6 * 1024 * 1024)
    server.on("WATCH", THINGS, server.streams(large))

    [only] = await collect(client)

    assert len(only.object["data"]) == 6 * 1024 * 1024


async def test_a_line_without_end_expires_the_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """A line of more than 16 MiB is not an event; it is not gathered for ever either."""
    endless = b'{"' + b"x" * (17 * 1024 * 1024)
    server.on("WATCH", THINGS, server.streams(endless, then_hangs=True))

    with pytest.raises(ExpiredError, match=f"watch of {THINGS}"):
        await collect(client)


@pytest.mark.parametrize(
    "line",
    [
        {"type": "ERROR", "object": {"code": 410, "message": "too old resource version: 10 (99)"}},
        {"type": "ERROR", "object": {"code": 500, "message": "etcd event received with PrevKv=nil"}},
        {"type": "ERROR", "object": {}},
        {"type": "SURPRISE", "object": thing("a")},
        {"type": "ADDED", "object": {"metadata": {}}},
        {"type": "ADDED", "object": {"metadata": None}},
        {"type": "ADDED"},
        b'{"type": "ADDED", "obj',
        b"\xff\xfe\n",
        b"\n",
    ],
    ids=str,
)
async def test_what_is_no_event_expires_the_watch(
    server: FakeApiServer, client: ClusterClient, line: object
) -> None:
    """Any error inside the stream, a 500 like a 410, and any line that can't be read mean: list again."""
    server.on("WATCH", THINGS, server.streams(line))

    with pytest.raises(ExpiredError, match=f"watch of {THINGS}"):
        await collect(client)


async def test_silence_ends_the_watch(server: FakeApiServer, client: ClusterClient) -> None:
    """After 0.3 s without data the watch ends normally; earlier events are delivered."""
    server.on("WATCH", THINGS, server.streams(event("ADDED", "a", "11"), then_hangs=True))

    async with asyncio.timeout(2):
        assert [event.resource_version for event in await collect(client)] == ["11"]


async def test_a_watch_that_never_begins(server: FakeApiServer, tmp_path: Path) -> None:
    """Where not even the answer's head comes, a watch fails as any request does: after 0.1 s, not 70 s."""
    server.on("WATCH", THINGS, server.hangs())
    timeouts = Timeouts(request_seconds=0.1, inactivity_seconds=70)

    async with asyncio.timeout(2), open_cluster(server.kubeconfig(tmp_path), timeouts) as client:
        with pytest.raises(UnavailableError):
            await collect(client)


async def test_a_broken_connection(server: FakeApiServer, client: ClusterClient) -> None:
    """A connection that breaks is an UnavailableError: the watch can go on from the last event."""
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
    """A watch that is refused raises as any other request does."""
    server.on("WATCH", THINGS, answer)

    with pytest.raises(expected):
        await collect(client)


async def test_what_the_caller_raises_stays_its_own(server: FakeApiServer, client: ClusterClient) -> None:
    """An OSError of the code that takes the events is not mistaken for one of the connection."""
    server.on("WATCH", THINGS, server.streams(then_hangs=True))

    with pytest.raises(OSError, match="disk full"):
        async with client.watch(ALL, "10", timeout_seconds=300):
            raise OSError("disk full")

"""The difference between the clocks: measured from the Date header, logged once, and never trusted."""

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from app.kubernetes.client import ClusterClient
from app.kubernetes.server_clock import ServerClock
from tests.kubernetes.fake_api_server import Answer, FakeApiServer
from tests.kubernetes.polling import Clock

THING = "/api/v1/things/a"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATE = format_datetime(NOON, usegmt=True)


def sends_date(date: str) -> Answer:
    """A response of an API server whose clock shows *date*."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}}, headers={"Date": date})

    return answer


async def test_a_real_response_shows_the_difference(server: FakeApiServer, client: ClusterClient) -> None:
    """The API server's clock is an hour behind: this process is 3,600 s ahead, also for a fenced client."""
    behind = datetime.fromtimestamp(time.time() - 3600, UTC)
    server.on("GET", THING, sends_date(format_datetime(behind, usegmt=True)))

    with capture_logs() as logs:
        await client.with_write_fence(lambda: True).get(THING)
        await client.get(THING)

    assert client.server_clock.ahead_seconds == pytest.approx(3600, abs=5)
    assert [line["event"] for line in logs] == ["clocks_differ"]


async def test_an_ordinary_response_shows_agreement(server: FakeApiServer, client: ClusterClient) -> None:
    """The fake server has the clock of this machine, and sends the Date itself, as an API server does."""
    server.on("GET", THING, sends_date(format_datetime(datetime.now(UTC), usegmt=True)))

    await client.get(THING)

    assert client.server_clock.ahead_seconds == pytest.approx(0, abs=5)


def test_a_change_is_logged_once() -> None:
    """One warning when the clocks differ by more than 60 s, one line when they agree again."""
    wall, monotonic = Clock(NOON.timestamp()), Clock(0)
    clock = ServerClock(wall, monotonic)
    with capture_logs() as logs:
        for ahead_seconds in (0, 60, 61, -3600, 3600, -60, 0):
            wall.now, monotonic.now = NOON.timestamp() + ahead_seconds, monotonic.now + 60
            clock.observe(DATE)
            assert clock.ahead_seconds == ahead_seconds

    assert [(line["event"], line["ahead_of_api_server_seconds"]) for line in logs] == [
        ("clocks_differ", 61),
        ("clocks_agree", -60),
    ]


def test_clocks_are_compared_once_a_minute() -> None:
    """API servers whose clocks differ among each other cause no line per request."""
    wall, monotonic = Clock(NOON.timestamp()), Clock(0)
    clock = ServerClock(wall, monotonic)
    clock.observe(DATE)
    wall.now += 3600
    monotonic.now = 59
    clock.observe(DATE)
    assert clock.ahead_seconds == 0
    monotonic.now = 60
    clock.observe(DATE)

    assert clock.ahead_seconds == 3600


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Mon, 99 Foo 2026", "Thu, 01 Jan 99999 00:00:00 GMT", "0"]
)
def test_no_date_is_no_difference(date: str | None) -> None:
    """A proxy may leave out the header, or write anything."""
    clock = ServerClock()

    clock.observe(date)

    assert clock.ahead_seconds is None

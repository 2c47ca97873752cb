"""Reviews that arrive in one read are answered within it, under the same limits and with the same counts."""

import asyncio
import json
from time import perf_counter

import pytest

from app.webhook.application import Webhook as Application
from tests.http_server.wire import Wire, connected
from tests.webhook.profiles import WEB_ANNOTATIONS, synced_catalogue, web_profiles
from tests.webhook.reviews import applied, encoded, review, web_pod
from tests.webhook.webhooks import SETTINGS, Webhook, webhook_on, webhook_with

GOOD = encoded(review(web_pod()))
AT_ONCE_BYTES = 65_536  # of the largest review that is answered at once


def request(body: bytes, path: bytes = b"/mutate") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, len(body)) + body


def padded(size: int) -> bytes:
    return GOOD + b" " * (size - len(GOOD))


@pytest.fixture
def webhook() -> Webhook:
    """A webhook with the profiles of `web`."""
    return webhook_with(*web_profiles())


def durations(webhook: Webhook) -> float:
    return webhook.registry.get_sample_value("job_profiler_admission_duration_seconds_count") or 0


async def responded(webhook: Webhook, sent: bytes) -> tuple[bool, list[bytes], bytes]:
    """Whether the read of *sent* was responded to within it, the lines of the head, and the body."""
    wire = Wire()
    connection = connected(Application(webhook.mutator), wire)
    connection.data_received(sent)
    is_at_once = bool(wire.writes)
    if connection.tasks:
        await asyncio.wait(connection.tasks)
    head, _, body = b"".join(wire.writes).partition(b"\r\n\r\n")
    return is_at_once, head.split(b"\r\n"), body


@pytest.mark.parametrize("path", [b"/mutate", b"/mutate?timeout=3s"])
async def test_a_review_in_one_read_is_answered_within_it(webhook: Webhook, path: bytes) -> None:
    """Also with the time-out that an API server adds to the URL; it is counted, and observed once."""
    is_at_once, head, body = await responded(webhook, request(GOOD, path))

    assert is_at_once
    assert head[:2] == [b"HTTP/1.1 200 OK", b"content-type: application/json"]
    assert applied(body, web_pod())["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert (webhook.counted("mutated"), durations(webhook)) == (1, 1)


async def test_what_is_no_review_is_refused_within_its_read(webhook: Webhook) -> None:
    """The status is 400 with a reason, and the connection goes on; the refusal is counted and observed."""
    is_at_once, head, body = await responded(webhook, request(b"{}"))

    assert is_at_once
    assert head == [
        b"HTTP/1.1 400 Bad Request",
        b"content-type: application/json",
        b"content-length: %d" % len(body),
    ]
    assert json.loads(body)["error"].startswith("not an AdmissionReview")
    assert (webhook.counted("error", "not_a_review"), durations(webhook)) == (1, 1)


@pytest.mark.parametrize("path", [b"/mutated", b"/mutate/", b"/", b"/mutat%65"])
async def test_other_paths_are_those_of_the_framework(webhook: Webhook, path: bytes) -> None:
    """Also the same path in another spelling."""
    assert not (await responded(webhook, request(GOOD, path)))[0]


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_large_review_waits_for_its_turn(webhook: Webhook, excess: int) -> None:
    """From 64 KiB and one byte on; both are answered with the patch, and observed once."""
    is_at_once, _, body = await responded(webhook, request(padded(AT_ONCE_BYTES + excess)))

    assert is_at_once == (excess == 0)
    assert applied(body, web_pod())["metadata"]["annotations"] == WEB_ANNOTATIONS
    assert (webhook.counted("mutated"), durations(webhook)) == (1, 1)


async def test_each_review_of_a_busy_source_waits_for_its_turn(webhook: Webhook) -> None:
    """Its last second had costly reviews of more than 0.05 s, the first of which does not count."""
    for _ in range(3):
        webhook.mutator._turns.observe("10.0.0.1", len(GOOD), 0.04, perf_counter())

    assert not (await responded(webhook, request(GOOD)))[0]
    assert webhook.counted("mutated") == 1


async def test_a_small_limit_of_reviews_holds_for_them_too() -> None:
    """With a limit of one byte less than the review, the status is 413, and the connection closes."""
    settings = SETTINGS.model_copy(update={"max_review_bytes": len(GOOD) - 1})
    small = webhook_on(synced_catalogue(*web_profiles()), settings)
    is_at_once, head, _ = await responded(small, request(GOOD))

    assert not is_at_once
    assert head[0] == b"HTTP/1.1 413 Request Entity Too Large"
    assert b"connection: close" in head


async def test_while_the_webhook_drains_the_answer_closes_its_connection(webhook: Webhook) -> None:
    """So the next review goes to another replica."""
    webhook.mutator.is_draining = True
    _, head, body = await responded(webhook, request(GOOD))

    assert b"connection: close" in head
    assert applied(body, web_pod())["metadata"]["annotations"] == WEB_ANNOTATIONS

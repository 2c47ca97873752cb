"""Responses on a real socket that would fill the memory; the memory is that of a child process."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.child_memory import Outcome, run_in_child
from tests.sources.hostile_prometheus import ATTACKS, hostile_prometheus

pytestmark = pytest.mark.flood

TOO_LARGE = "need more memory than all of them may take"
MESSAGES = {
    "stacked": "its Content-Encoding is 'gzip, gzip, gzip', and only one of gzip, deflate is accepted",
    "stacked in two headers": "its Content-Encoding is 'gzip, gzip, gzip', and only one of",
    "brotli": "its Content-Encoding is 'br', and only one of gzip, deflate is accepted",
    "zstd": "its Content-Encoding is 'zstd', and only one of gzip, deflate is accepted",
    "no encoding": "its Content-Encoding is 'gzip-ish'",
    "members": "it goes on after the end of its compressed body",
    "truncated": "its compressed body ends early",
    "empty series": "sent no complete response within 3 s",  # they have no pod, so none is kept
    "depth": "can't be decoded",
    "deep metric": "can't be decoded",
    "finished numbers": "can't be decoded",
    "digits": "1",  # a result: one sample, which is no usable number
    "many warnings": "may be incomplete: aa; aa; aa",
    "long warning": "may be incomplete: x x x",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A hostile server for all tests of this file."""
    with hostile_prometheus() as url:
        yield url


def asked(server: str, attack: str, timeout_seconds: float = 60, queries: int = 1) -> Outcome:
    url = f"{server}/{quote(attack)}"
    return run_in_child("tests.sources.hostile_prometheus:ask", url, timeout_seconds, queries)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_response_is_refused_within_the_budget(server: str, attack: str) -> None:
    """One query may take 320 MiB (its share of 64 and the common half of 512 MiB), and says what is wrong."""
    outcome = asked(server, attack, timeout_seconds=3 if attack == "empty series" else 60)

    [(_, message)] = outcome.result
    assert MESSAGES.get(attack, TOO_LARGE) in message
    assert len(message) < 1000
    assert outcome.grown_mb < 400


@pytest.mark.parametrize("attack", ["spaces", "series", "bomb"])
def test_all_queries_share_one_budget(server: str, attack: str) -> None:
    """Eight queries, four at a time, stay below 512 MiB and some of the interpreter."""
    outcome = asked(server, attack, queries=8)

    # On a busy machine the time-out of 60 s comes first.
    assert all(TOO_LARGE in text or "no complete response" in text for _, text in outcome.result)
    assert outcome.grown_mb < 600


def test_a_drip_ends_with_the_time_out(server: str) -> None:
    """A byte every 20 ms does not extend the 2 s of the complete response; the same for four at once."""
    outcome = asked(server, "drip", timeout_seconds=2, queries=4)

    assert {message for _, message in outcome.result} == {
        f"{server}/drip sent no complete response within 2 s"
    }
    assert outcome.grown_mb < 50


@pytest.mark.parametrize("attack", ["error", "endless error"])
def test_the_body_of_an_error_is_bounded_too(server: str, attack: str) -> None:
    """The status counts; of an endless body 64 KiB are read, and of one with two encodings nothing."""
    outcome = asked(server, attack)

    [(_, message)] = outcome.result
    assert message.startswith("Prometheus answered 500 Internal Server Error: ")
    assert outcome.grown_mb < 50


@pytest.mark.parametrize("attack", ["stacked", "bomb", "spaces", "depth"])
def test_the_retention_time_is_unknown_then(server: str, attack: str) -> None:
    """Of its response 64 KiB are read."""
    outcome = run_in_child("tests.sources.hostile_prometheus:ask_retention", f"{server}/{attack}")

    assert outcome.result == [None]
    assert outcome.grown_mb < 50

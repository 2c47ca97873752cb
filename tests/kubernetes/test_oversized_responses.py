"""Responses of an API server that would fill the memory when they are decoded; that of a child process."""

import asyncio

import pytest

from tests.child_memory import run_in_child
from tests.kubernetes.fake_api_server import FakeApiServer
from tests.kubernetes.oversized_responses import PATH, respond

pytestmark = pytest.mark.flood


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("object", "lists"),
        ("object", "texts"),
        ("list", "lists"),
        ("watched list", "lists"),
        ("watch", "lists"),
    ],
)
async def test_values_are_counted_before_they_are_decoded(kind: str, values: str) -> None:
    """60 MiB of empty lists became 1.5 GB; the text itself is held twice at most, beside 30 MB of buffers."""
    async with FakeApiServer() as server:
        for verb in ("GET", "WATCH"):
            server.on(verb, f"{PATH}/{values}", respond)
        outcome = await asyncio.to_thread(
            run_in_child, "tests.kubernetes.oversized_responses:read", server.url, kind, values
        )

    assert "it has more than 2,000,000 values" in outcome.result
    assert outcome.grown_mb < 160

"""The write fence: a replica that is no longer the leader sends no write."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from tests.kubernetes.fake_api_server import FakeApiServer, answers, thing

PATH = paths.config_map("profiling", "job-profiler-status")
VERBS: dict[str, Callable[[ClusterClient], Coroutine[Any, Any, object]]] = {
    "POST": lambda client: client.create(PATH, {}),
    "PUT": lambda client: client.replace(PATH, {}),
    "PATCH": lambda client: client.patch(PATH, {}),
    "DELETE": lambda client: client.delete(PATH),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_no_write_is_sent(server: FakeApiServer, client: ClusterClient, verb: str) -> None:
    """The leader's write is sent; after its term a write is an error with the reason, and is not sent."""
    leads = True
    server.on(verb, PATH, answers(thing("x")))
    fenced = client.with_write_fence(lambda: leads)

    await VERBS[verb](fenced)
    leads = False
    with pytest.raises(
        ClusterError, match=f"{verb} {PATH}: not sent, because this replica is no longer the leader"
    ):
        await VERBS[verb](fenced)

    assert len(server.requests) == 1


async def test_reads_are_not_fenced(server: FakeApiServer, client: ClusterClient) -> None:
    """A follower can read; the client without the fence, which the elector uses, can write."""
    server.on("GET", PATH, answers(thing("x")))
    server.on("PUT", PATH, answers(thing("x")))

    await client.with_write_fence(lambda: False).get(PATH)
    await client.replace(PATH, {})

    assert [request.verb for request in server.requests] == ["GET", "PUT"]


async def test_leadership_is_checked_right_before_sending(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leadership is lost while the credentials for the request are read: the request is not sent."""
    leads = True
    fenced = client.with_write_fence(lambda: leads)
    read = fenced._connection._authorized

    async def slow(headers: Any) -> Any:
        nonlocal leads
        authorized = await read(headers)
        leads = False
        return authorized

    monkeypatch.setattr(fenced._connection, "_authorized", slow)
    with pytest.raises(ClusterError, match="not sent"):
        await fenced.patch(PATH, {})

    assert server.requests == []

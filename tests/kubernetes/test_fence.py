"""A replica that leads no longer sends nothing that would change anything."""

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
    """As long as it leads it goes through; afterwards an error says why not, and nothing is sent."""
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


async def test_reads_go_on(server: FakeApiServer, client: ClusterClient) -> None:
    """A follower may look; and the client that the elector uses is as it was."""
    server.on("GET", PATH, answers(thing("x")))
    server.on("PUT", PATH, answers(thing("x")))

    await client.with_write_fence(lambda: False).get(PATH)
    await client.replace(PATH, {})

    assert [request.verb for request in server.requests] == ["GET", "PUT"]


async def test_it_is_asked_when_the_request_is_about_to_leave(
    server: FakeApiServer, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leadership is lost while the credentials for the request are still being read: it is not sent."""
    leads = True
    fenced = client.with_write_fence(lambda: leads)
    read = fenced._connection._headers

    async def slow(request: Any) -> Any:
        nonlocal leads
        headers = await read(request)
        leads = False
        return headers

    monkeypatch.setattr(fenced._connection, "_headers", slow)
    with pytest.raises(ClusterError, match="not sent"):
        await fenced.patch(PATH, {})

    assert server.requests == []

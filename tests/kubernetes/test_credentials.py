"""Credentials that change while the process runs."""

import json
from pathlib import Path

import pytest
from kubernetes_asyncio.client import Configuration

from app.errors import UnavailableError
from app.kubernetes.client import open_cluster
from app.kubernetes.credentials import load_configuration
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import FakeApiServer, answers, thing
from tests.kubernetes.polling import Clock

PLUGIN = """\
#!/bin/sh
token=$(cat "{tokens}") || exit 1
printf '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
printf '"status": {{"token": "%s"}}}}' "$token"
"""


def kubeconfig(directory: Path, user: object, server: str = "http://127.0.0.1:1") -> str:
    path = directory / "kubeconfig"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return str(path)


async def token_of(configuration: Configuration) -> str:
    token: str = await configuration.get_api_key_with_prefix("BearerToken")
    return token


@pytest.fixture(params=["tokenFile", "exec"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """A kubeconfig user with its token in the file `token`, read directly or by a credential plugin."""
    tokens = tmp_path / "token"
    tokens.write_text("first")
    if request.param == "tokenFile":
        return {"tokenFile": str(tokens)}
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN.format(tokens=tokens))
    plugin.chmod(0o700)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}}


async def test_a_token_is_read_anew_after_a_minute(tmp_path: Path, user: object) -> None:
    """A rotated token is used by the first request that is a minute or more after the last read."""
    clock = Clock()
    configuration = await load_configuration(kubeconfig(tmp_path, user), clock)
    (tmp_path / "token").write_text("second")

    clock.now = 59
    assert await token_of(configuration) == "Bearer first"
    clock.now = 60
    assert await token_of(configuration) == "Bearer second"


async def test_unreadable_credentials_are_an_outage(
    server: FakeApiServer, tmp_path: Path, user: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the token can't be read, the request is an UnavailableError; the next request reads it again."""
    monkeypatch.setattr("app.kubernetes.credentials._REFRESH_SECONDS", 0)
    server.on("GET", "/api", answers(thing("api")))
    async with open_cluster(kubeconfig(tmp_path, user, server.url), SHORT) as client:
        (tmp_path / "token").unlink()
        with pytest.raises(UnavailableError, match="credentials can't be read"):
            await client.get("/api")

        (tmp_path / "token").write_text("second")
        await client.get("/api")

    assert server.requests[-1].headers["Authorization"] == "Bearer second"

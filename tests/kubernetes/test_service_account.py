"""Credentials of a Pod's service account, on an API server with an IPv6 address."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from app.errors import ClusterError, SettingsError
from app.kubernetes.client import open_cluster
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import FakeApiServer, answers, thing
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.kubernetes.tls_api_server import TlsApiServer

LIBRARY = "kubernetes_asyncio.config.incluster_config"


@pytest.fixture
async def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The received `Authorization` headers of an API server on ::1, as Pods of IPv6-only clusters find it."""
    (tmp_path / "token").write_text("account-token\n")
    async with TlsApiServer(tmp_path, "::1") as running:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "::1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(running.port))
        monkeypatch.setattr(f"{LIBRARY}.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(f"{LIBRARY}.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
        yield running.headers


async def test_the_service_host_is_an_ipv6_address(service_account: list[str]) -> None:
    """The URL has brackets, the certificate is verified for ::1, and the token has no new line."""
    async with open_cluster(None, SHORT) as client:
        await client.get("/api")

    assert service_account == ["Bearer account-token"]


async def test_the_service_host_needs_no_proxy(
    service_account: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SOCKS proxy in HTTPS_PROXY is no fault for an address that it does not apply to."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    async with open_cluster(None, SHORT) as client:
        await client.get("/api")
    assert len(service_account) == 1

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    with pytest.raises(
        SettingsError, match=r"HTTPS_PROXY is 'socks5://127.0.0.1:1', for requests to https://\["
    ):
        async with open_cluster(None, SHORT):
            pass
    monkeypatch.setenv("NO_PROXY", "fd00::/8")
    async with open_cluster(None, SHORT):
        pass


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int, server: FakeApiServer, tmp_path: Path) -> None:
    """A POST stays a POST, or fails: the error names the target without credentials and parameters."""

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "https://me:word@sso.example/login?state=x"})

    server.on("POST", "/api", redirect)
    server.on("GET", "/login", answers(thing("login")))
    async with open_cluster(kubeconfig(tmp_path, {"token": "t"}, server.url), SHORT) as client:
        with pytest.raises(ClusterError) as caught:
            await client.create("/api", {})

    assert [request.verb for request in server.requests] == ["POST"]
    assert f"POST /api: {status} " in str(caught.value)
    assert "redirects to https://sso.example/login, which is not followed" in str(caught.value)

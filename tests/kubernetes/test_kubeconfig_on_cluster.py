"""Kubeconfigs on a real API server: the product acts as kubectl does with the same file."""

import asyncio
import base64
import os
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.errors import ClusterError
from app.kubernetes import paths
from app.kubernetes.client import open_cluster
from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.parts.locate import Part, require
from tests.sources.forward_proxy import ForwardProxy

pytestmark = pytest.mark.cluster

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PLUGIN = """\
#!/bin/sh
test -n "$KUBERNETES_EXEC_INFO" || exit 1
echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
"status": {{"token": "{token}", "expirationTimestamp": null}}}}'
"""
Environment = Mapping[str, str]


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cluster_of(control_plane: ControlPlane) -> Callable[..., dict[str, Any]]:
    """The fields of the cluster with its CA file, and others."""
    return lambda **fields: {"certificate-authority": str(control_plane.ca_file)} | fields


async def product(path: str) -> str:
    """The refusal of a request for a Secret; empty if it is allowed, because there is no such Secret."""
    async with open_cluster(path) as client:
        try:
            await client.get(paths.secret("default", "none"))
        except ClusterError as error:
            return str(error)
    raise AssertionError("there is no such Secret")


async def kubectl(path: str) -> str:
    """What kubectl says to the same request with the same file."""
    process = await asyncio.create_subprocess_exec(
        str(require(Part.KUBECTL)),
        *("--kubeconfig", path, "get", "--raw", paths.secret("default", "none")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"HOME": str(Path(path).parent)},
    )
    output, _ = await process.communicate()
    return output.decode()


async def user_of(path: str) -> tuple[str, str]:
    """The user that the API server sees: of the product, and of kubectl. `admin` may read Secrets."""
    return _user(await product(path)), _user(await kubectl(path))


def _user(answer: str) -> str:
    if "not found" in answer:
        return "admin"
    if "Unauthorized" in answer:
        return "unauthorized"
    assert 'User "' in answer, answer
    return answer.partition('User "')[2].partition('"')[0]


def plugin(folder: Path, token: str) -> None:
    """A credential plug-in in *folder*."""
    path = folder / "plugin"
    path.write_text(PLUGIN.format(token=token))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


async def test_impersonation(
    control_plane: ControlPlane, cluster_of: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """With `as: jane`, the administrator's token acts as jane, who may read no Secret."""
    user = {"token": ADMIN_TOKEN, "as": "jane", "as-groups": ["dev"], "as-user-extra": {"a/b": ["c"]}}
    path = kubeconfig(tmp_path, user, control_plane.server_url, cluster=cluster_of())

    assert await user_of(path) == ("jane", "jane")


async def test_groups_alone_are_refused(
    control_plane: ControlPlane, cluster_of: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Neither the product nor kubectl sends a request."""
    user = {"token": ADMIN_TOKEN, "as-groups": ["dev"]}
    path = kubeconfig(tmp_path, user, control_plane.server_url, cluster=cluster_of())

    with pytest.raises(Exception, match="as-groups and as-user-extra need `as`"):
        await product(path)
    assert "without impersonating a user" in await kubectl(path)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({"tokenFile": "token"}, "admin", id="token-file-with-a-new-line"),
        pytest.param({"tokenFile": "token", "token": "wrong"}, "admin", id="token-file-before-token"),
        pytest.param(
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}},
            "admin",
            id="relative-plugin",
        ),
        pytest.param(
            {
                "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "none"},
                "token": ADMIN_TOKEN,
            },
            "admin",
            id="token-before-plugin",
        ),
        pytest.param(
            {"token": ADMIN_TOKEN, "client-certificate": None, "client-certificate-data": None},
            "admin",
            id="null-fields",
        ),
        pytest.param({"username": "me", "password": "word"}, "system:anonymous", id="password"),
    ],
)
async def test_credentials(
    user: dict[str, Any],
    expected: str,
    control_plane: ControlPlane,
    cluster_of: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    """The API server sees the same user in both."""
    (tmp_path / "token").write_text(f"{ADMIN_TOKEN}\n")
    plugin(tmp_path, ADMIN_TOKEN)
    for plugin_fields in filter(None, [user.get("exec")]):
        plugin_fields.setdefault("interactiveMode", "Never")  # kubectl refuses v1 without it
    path = kubeconfig(tmp_path, user, control_plane.server_url, cluster=cluster_of())

    assert await user_of(path) == (expected, expected)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"certificate-authority": "DATA"}, id="data"),
        pytest.param({"insecure-skip-tls-verify": True}, id="insecure"),
        pytest.param({"tls-server-name": "kubernetes.default.svc"}, id="server-name"),
    ],
)
async def test_tls(
    fields: dict[str, Any],
    control_plane: ControlPlane,
    cluster_of: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    """The CA in base64; no verification; another name in the certificate."""
    cluster = cluster_of() | fields
    if fields.get("certificate-authority") or fields.get("insecure-skip-tls-verify"):
        del cluster["certificate-authority"]
    if fields.get("certificate-authority"):
        cluster["certificate-authority-data"] = base64.b64encode(control_plane.ca_file.read_bytes()).decode()
    path = kubeconfig(tmp_path, {"token": ADMIN_TOKEN}, control_plane.server_url, cluster=cluster)

    assert await user_of(path) == ("admin", "admin")


@pytest.mark.parametrize(
    ("environment", "proxied"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "PROXY"}, True),
        ({"https_proxy": "PROXY"}, True),
        ({"HTTP_PROXY": "PROXY"}, False),
        ({"ALL_PROXY": "PROXY"}, False),
        ({"HTTPS_PROXY": "PROXY", "NO_PROXY": "10.0.0.0/8,[::1],.cluster.local"}, True),
        ({"HTTPS_PROXY": "PROXY", "NO_PROXY": ".test"}, False),
        ({"HTTPS_PROXY": "PROXY", "NO_PROXY": "*"}, False),
        ({"proxy-url": "PROXY", "NO_PROXY": "*"}, True),
        ({"proxy-url": "PROXY", "HTTPS_PROXY": "http://127.0.0.1:1"}, True),
    ],
    ids=str,
)
async def test_the_proxy_of_the_api_server(
    environment: Environment,
    *,
    proxied: bool,
    control_plane: ControlPlane,
    cluster_of: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The product and kubectl use the proxy for the same requests.

    Only the proxy knows the name `api.test`: a request that has an answer went through it.
    """
    address = urlsplit(control_plane.server_url)
    host = "api.test"
    async with ForwardProxy(api_test=("127.0.0.1", address.port or 0)) as proxy:
        settings = {name: value.replace("PROXY", proxy.url) for name, value in environment.items()}
        cluster = cluster_of(**{"tls-server-name": "kubernetes.default.svc"})
        if url := settings.pop("proxy-url", ""):
            cluster["proxy-url"] = url
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        path = kubeconfig(tmp_path, {"token": ADMIN_TOKEN}, f"https://{host}:{address.port}", cluster=cluster)
        answer = await product(path)
        of_product = [*proxy.targets]
        answer_to_kubectl = await kubectl(path)

    assert of_product == proxy.targets[len(of_product) :] == [f"CONNECT {host}:{address.port}"] * proxied
    assert ("not found" in answer, "not found" in answer_to_kubectl) == (proxied, proxied)


async def test_a_loopback_address_has_no_proxy(
    control_plane: ControlPlane,
    cluster_of: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Port 1 of the proxy is closed: only requests without it are answered."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    path = kubeconfig(tmp_path, {"token": ADMIN_TOKEN}, control_plane.server_url, cluster=cluster_of())

    assert await user_of(path) == ("admin", "admin")

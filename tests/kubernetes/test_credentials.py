"""Credentials that change while the process runs."""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from app.errors import ForbiddenError, SettingsError, UnavailableError
from app.kubernetes.client import open_cluster
from app.kubernetes.credentials import ApiServer, Clocks, find_api_server
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import FakeApiServer, answers, refuses, thing
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.kubernetes.polling import Clock
from tests.kubernetes.tls_api_server import TlsApiServer
from tests.tls.clients import client_certificate

V1 = "client.authentication.k8s.io/v1"
PLUGIN = """\
#!/bin/sh
echo run >>"{folder}/runs"
printf '%s' "$KUBERNETES_EXEC_INFO" >"{folder}/info"
cat "{folder}/credential"
"""


def plugin(folder: Path, status: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A user with a plug-in that prints *status*, and keeps what it gets in files."""
    path = folder / "plugin"
    path.write_text(PLUGIN.format(folder=folder))
    path.chmod(0o700)
    prints(folder, status)
    return {"exec": {"apiVersion": V1, "command": str(path), **fields}}


def prints(folder: Path, status: dict[str, Any], version: str = V1) -> None:
    """From now on the plug-in prints *status*."""
    credential = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    (folder / "credential").write_text(json.dumps(credential))


def certificate_status(server: TlsApiServer, name: str) -> dict[str, Any]:
    """The output of a plug-in that issues client certificates."""
    pem = client_certificate(server.authority, name).decode()
    return {"clientCertificateData": pem, "clientKeyData": pem}


def runs(folder: Path) -> int:
    """How often the plug-in has run."""
    return len((folder / "runs").read_text().splitlines())


def info(folder: Path) -> Any:
    """KUBERNETES_EXEC_INFO of the last run."""
    return json.loads((folder / "info").read_text())


async def opened(path: str, clock: Clock | None = None, **environment: str) -> ApiServer:
    """The API server of a kubeconfig; *clock* is the monotonic and the wall clock."""
    now = clock or Clock()
    return await find_api_server(path, environment, Clocks(now, now))


async def fault(path: str) -> str:
    """The reason why a kubeconfig can't be used, without the file's name before and the remedy after it."""
    with pytest.raises(SettingsError) as refusal:
        await opened(path)
    [text] = refusal.value.faults
    assert text.startswith(f"the kubeconfig {path} can't be used: ")
    assert text.endswith("; set KUBECONFIG (--kubeconfig) to the path of a kubeconfig")
    return text.removeprefix(f"the kubeconfig {path} can't be used: ").rpartition("; ")[0]


async def test_a_token_file_is_read_anew_after_a_minute(tmp_path: Path) -> None:
    """Without the new line at its end; a rotated token counts from the 60th second on."""
    clock, token = Clock(), tmp_path / "token"
    token.write_text("first\n")
    server = await opened(kubeconfig(tmp_path, {"tokenFile": "token"}), clock)
    token.write_text("second\r\n")

    clock.now = 59
    assert await server.authentication.current() == "Bearer first"
    clock.now = 60
    assert await server.authentication.current() == "Bearer second"


async def test_a_token_file_comes_before_the_token(tmp_path: Path) -> None:
    """The token counts only while the file can't be read, as in kubectl."""
    clock, token = Clock(), tmp_path / "token"
    server = await opened(kubeconfig(tmp_path, {"tokenFile": str(token), "token": "old"}), clock)

    assert await server.authentication.current() == "Bearer old"
    token.write_text("new")
    clock.now = 60
    assert await server.authentication.current() == "Bearer new"


@pytest.mark.parametrize("content", [None, "", "\n", "\x00\xff"])
async def test_an_unusable_token_file(content: str | None, tmp_path: Path) -> None:
    """The fault names the file and the reason."""
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content.encode("latin-1"))
    reasons = {None: ": No such file or directory", "\x00\xff": ": it is no text"}

    assert await fault(kubeconfig(tmp_path, {"tokenFile": "token"})) == (
        f"the token file {token}{reasons.get(content, ' is empty')}"
    )


@pytest.mark.parametrize("kind", ["tokenFile", "exec"])
async def test_unreadable_credentials_are_an_outage(
    kind: str, server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the token can't be read, the request is an UnavailableError; the next request reads it again."""
    monkeypatch.setattr("app.kubernetes.authentication.REFRESH_SECONDS", 0)
    server.on("GET", "/api", answers(thing("api")))
    token = tmp_path / "token"
    token.write_text("first")
    past = {"token": "first", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    user = {"tokenFile": "token"} if kind == "tokenFile" else plugin(tmp_path, past)
    async with open_cluster(kubeconfig(tmp_path, user, server.url), SHORT) as client:
        token.unlink()
        (tmp_path / "credential").unlink(missing_ok=True)
        with pytest.raises(UnavailableError, match="credentials can't be read"):
            await client.get("/api")

        token.write_text("second")
        prints(tmp_path, past | {"token": "second"})
        await client.get("/api")

    assert server.requests[-1].headers["Authorization"] == "Bearer second"


@pytest.mark.parametrize("kind", ["tokenFile", "exec"])
async def test_refused_credentials_are_read_again(kind: str, server: FakeApiServer, tmp_path: Path) -> None:
    """After a 401 the next request has the new token, although the old one has not expired."""
    server.on("GET", "/api", refuses(401), answers(thing("api")))
    (tmp_path / "token").write_text("first")
    user = {"tokenFile": "token"} if kind == "tokenFile" else plugin(tmp_path, {"token": "first"})
    async with open_cluster(kubeconfig(tmp_path, user, server.url), SHORT) as client:
        (tmp_path / "token").write_text("second")
        prints(tmp_path, {"token": "second"})
        with pytest.raises(ForbiddenError):
            await client.get("/api")
        await client.get("/api")

    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("expiration", [{}, {"expirationTimestamp": None}])
async def test_a_plugin_without_expiration_runs_once(expiration: dict[str, None], tmp_path: Path) -> None:
    """No `expirationTimestamp`, or null: the token is used until the API server refuses it, as in kubectl."""
    clock = Clock()
    path = kubeconfig(tmp_path, plugin(tmp_path, {"token": "first"} | expiration))
    server = await opened(path, clock)

    clock.now = 10**9
    assert await server.authentication.current() == "Bearer first"
    assert runs(tmp_path) == 1


async def test_a_plugin_runs_again_when_its_token_expires(tmp_path: Path) -> None:
    """The token expires at the 100th second."""
    clock = Clock()
    user = plugin(tmp_path, {"token": "first", "expirationTimestamp": "1970-01-01T00:01:40Z"})
    server = await opened(kubeconfig(tmp_path, user), clock)
    prints(tmp_path, {"token": "second", "expirationTimestamp": "1970-01-01T00:03:20Z"})

    clock.now = 99
    assert await server.authentication.current() == "Bearer first"
    clock.now = 100
    assert await server.authentication.current() == "Bearer second"
    assert runs(tmp_path) == 2


@pytest.mark.parametrize("command", ["./bin/plugin", "bin/plugin", "../{name}/bin/plugin"])
async def test_a_relative_plugin_is_found_beside_the_kubeconfig(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a slash in it, the command is relative to the folder of the kubeconfig."""
    monkeypatch.chdir("/")
    (tmp_path / "bin").mkdir()
    user = plugin(tmp_path / "bin", {"token": "it"})
    user["exec"]["command"] = command.format(name=tmp_path.name)

    assert await (await opened(kubeconfig(tmp_path, user))).authentication.current() == "Bearer it"


async def test_a_relative_plugin_of_a_relative_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBECONFIG=kubeconfig and `./plugin`: the plug-in is in the working directory, not in PATH."""
    user = plugin(tmp_path, {"token": "it"})
    user["exec"]["command"] = "./plugin"
    kubeconfig(tmp_path, user)
    monkeypatch.chdir(tmp_path)

    assert await (await opened("kubeconfig")).authentication.current() == "Bearer it"


async def test_a_plugin_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command without a slash is looked up in PATH; its arguments and variables are passed."""
    user = plugin(tmp_path, {"token": "it"}, args=["a b"], env=[{"name": "KEY", "value": "v"}])
    (tmp_path / "plugin").write_text('#!/bin/sh\nprintf "%s" "$1$KEY" >&2\nexit 3\n')
    user["exec"]["command"] = "plugin"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert await fault(kubeconfig(tmp_path, user)) == "exec: plugin failed with exit code 3: a bv"


async def test_the_input_of_a_plugin(tmp_path: Path) -> None:
    """With provideClusterInfo it has the cluster and its configuration, with the CA file as base64."""
    authority = tmp_path / "ca.crt"
    authority.write_text("PEM")
    cluster = {
        "certificate-authority": "ca.crt",
        "tls-server-name": "api.example",
        "proxy-url": "http://proxy:3128",
        "extensions": [
            {"name": "other", "extension": 1},
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}},
        ],
    }
    user = plugin(tmp_path, {"token": "it"}, provideClusterInfo=True, interactiveMode="Never")
    await opened(kubeconfig(tmp_path, user, cluster=cluster))

    assert info(tmp_path) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {
                "server": "http://127.0.0.1:1",
                "tls-server-name": "api.example",
                "certificate-authority-data": "UEVN",
                "proxy-url": "http://proxy:3128",
                "config": {"audience": "a"},
            },
        },
    }
    await opened(kubeconfig(tmp_path, plugin(tmp_path, {"token": "it"})))
    assert info(tmp_path)["spec"] == {"interactive": False}


@pytest.mark.parametrize(
    ("mode", "expected"), [("Never", False), ("IfAvailable", True), ("Always", True), (None, True)]
)
async def test_a_plugin_on_a_terminal(
    mode: str | None, *, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If standard input is a terminal, the plug-in may ask its user, unless the kubeconfig says Never."""
    controller, terminal = os.openpty()
    with os.fdopen(terminal) as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        await opened(kubeconfig(tmp_path, plugin(tmp_path, {"token": "it"}, interactiveMode=mode)))
    os.close(controller)

    assert info(tmp_path)["spec"] == {"interactive": expected}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"command": "no-such-plugin"}, "exec: no-such-plugin can't be run (No such file or directory)"),
        (
            {"command": "no-such-plugin", "installHint": "install it\nwith: brew"},
            "exec: no-such-plugin can't be run (No such file or directory): install it with: brew",
        ),
        (
            {"interactiveMode": "Always"},
            "exec: interactiveMode is Always, and standard input is not a terminal",
        ),
        (
            {"interactiveMode": "Sometimes"},
            "exec: interactiveMode 'Sometimes' is none of Never, IfAvailable, Always",
        ),
        ({"apiVersion": "v9"}, "exec: apiVersion 'v9' is none of client.authentication.k8s.io/v1,"),
        ({"apiVersion": None}, "in the user 'u', exec needs command and apiVersion"),
        ({"command": "cat", "args": ["/dev/zero"]}, "exec: cat printed more than 1048576 bytes"),
        (
            {"command": "sh", "args": ["-c", "cat /dev/zero >&2; true"]},
            "exec: sh printed more than 1048576 bytes",
        ),
    ],
)
async def test_a_plugin_that_can_not_be_run(fields: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """The hint of the kubeconfig says how to install it."""
    assert (await fault(kubeconfig(tmp_path, plugin(tmp_path, {"token": "it"}, **fields)))).startswith(reason)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "printed no ExecCredential: "),
        ("not JSON", "printed no ExecCredential: "),
        ("[]", "printed no ExecCredential: "),
        ("{}", "printed ' ', not an ExecCredential of client.authentication.k8s.io/v1"),
        ('{"apiVersion": "v2", "kind": "Pod"}', "printed 'v2 Pod', not an ExecCredential of client."),
        ({}, "printed neither a token nor a certificate with its key"),
        ({"token": ""}, "printed neither a token nor a certificate with its key"),
        ({"clientCertificateData": "x"}, "printed neither a token nor a certificate with its key"),
        ({"token": "t", "expirationTimestamp": "soon"}, "printed the expirationTimestamp 'soon'"),
    ],
    ids=str,
)
async def test_a_plugin_that_prints_no_credentials(output: Any, reason: str, tmp_path: Path) -> None:
    """The fault names the plug-in and what its output lacks."""
    user = plugin(tmp_path, output if isinstance(output, dict) else {})
    if isinstance(output, str):
        (tmp_path / "credential").write_text(output)

    assert (await fault(kubeconfig(tmp_path, user))).startswith(f"exec: {tmp_path}/plugin {reason}")


async def test_client_certificates_of_a_plugin(tmp_path: Path) -> None:
    """After a 401 the plug-in runs again, and the next request has its certificate on a new connection."""
    async with TlsApiServer(tmp_path) as running:
        user = plugin(tmp_path, certificate_status(running, "first"))
        path = kubeconfig(
            tmp_path, user, f"https://127.0.0.1:{running.port}", cluster={"certificate-authority": "ca.crt"}
        )
        async with open_cluster(path, SHORT) as client:
            await client.get("/api")
            running.refused = {"first"}
            prints(tmp_path, certificate_status(running, "second"))
            with pytest.raises(ForbiddenError):
                await client.get("/api")
            await client.get("/api")

    assert running.names == ["first", "first", "second"]
    assert running.headers == [""] * 3


async def test_client_certificates_of_the_kubeconfig(tmp_path: Path) -> None:
    """As data and as files; null fields beside them are absent."""
    async with TlsApiServer(tmp_path) as running:
        pem = client_certificate(running.authority, "me")
        (tmp_path / "client.pem").write_bytes(pem)
        data = base64.b64encode(pem).decode()
        users = [
            {"client-certificate": "client.pem", "client-key": "client.pem"},
            {"client-certificate": "client.pem", "client-key": "client.pem", "client-certificate-data": None},
            {"client-certificate-data": data, "client-key-data": data, "client-key": None},
        ]
        for user in users:
            url = f"https://127.0.0.1:{running.port}"
            path = kubeconfig(tmp_path, user, url, cluster={"certificate-authority": "ca.crt"})
            async with open_cluster(path, SHORT) as client:
                await client.get("/api")

    assert running.names == ["me"] * 3

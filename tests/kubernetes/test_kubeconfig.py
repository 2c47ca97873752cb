"""Kubeconfig files: merging, relative paths, null fields, impersonation, and one sentence for each fault."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.errors import SettingsError, UnavailableError
from app.kubernetes.client import open_cluster
from app.kubernetes.credentials import find_api_server
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import FakeApiServer, answers, thing
from tests.kubernetes.kubeconfigs import kubeconfig

HTTP, HTTPS = "http://127.0.0.1:1", "https://127.0.0.1:1"


async def fault(path: Path | str) -> str:
    """The only fault, without the sentence's beginning and the remedy at its end."""
    with pytest.raises(SettingsError) as refusal:
        await find_api_server(str(path), {})
    [text] = refusal.value.faults
    beginning, end = (
        f"the kubeconfig {path} can't be used: ",
        "; set KUBECONFIG (--kubeconfig) to the path of",
    )
    assert text.startswith(beginning)
    assert end in text
    assert "\n" not in text
    return text.removeprefix(beginning).partition(end)[0]


def entry(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """An item of the clusters, users or contexts."""
    return {"name": name, kind: fields}


def changed(path: str, change: dict[str, Any], encoding: str = "utf-8") -> str:
    """The same file with other fields, or in another encoding."""
    file = Path(path)
    file.write_text(json.dumps(json.loads(file.read_text()) | change), encoding=encoding)
    return path


MANY_VALUES = "{path}: it is no kubeconfig: it has more than 200,000 values"


def aliases(form: str) -> bytes:
    """Nine anchors, each with ten aliases of the one before: a billion values in 600 bytes."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 10):
        each = form % ",".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} {each}")
    return "\n".join(lines).encode()


def changed_text(path: str, before: str, after: str) -> None:
    """Replaces a text in the file."""
    file = Path(path)
    file.write_text(file.read_text().replace(before, after))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "it defines no context", id="empty"),
        pytest.param(b"{}", "it defines no context", id="empty-object"),
        pytest.param(b"null", "it defines no context", id="null"),
        pytest.param(b"- a\n- b\n", "{path}: it is no kubeconfig: Expected `object`, got `array`", id="list"),
        pytest.param(b"hello", "{path}: it is no kubeconfig: Expected `object`, got `str`", id="text"),
        pytest.param(b"a: b: c", "{path}: it is no kubeconfig: line 1: mapping values are not", id="yaml"),
        pytest.param(b"a: [", "{path}: it is no kubeconfig: line ", id="cut"),
        pytest.param(b"\x7fELF\x00\x01\xff", "{path}: it is no kubeconfig: ", id="binary"),
        pytest.param(b"\xff\xfe\xfd", "{path}: it is no kubeconfig: ", id="not-utf-8"),
        pytest.param(b"[" * 10_000, "{path}: it is no kubeconfig: it is nested too deeply", id="deep"),
        pytest.param(b"&a [*a]", "{path}: it is no kubeconfig: ", id="recursive"),
        pytest.param(b"!!python/object:os.system x", "{path}: it is no kubeconfig: line 1: ", id="tag"),
        pytest.param(b"a: !!timestamp x", "{path}: it is no kubeconfig: a value does not fit its", id="time"),
        pytest.param(b"a: !!int ''", "{path}: it is no kubeconfig: a value does not fit its tag", id="int"),
        pytest.param(b"a: !!bool x", "{path}: it is no kubeconfig: a value does not fit its tag", id="bool"),
        pytest.param(b"{a: " * 50_000, "{path}: it is no kubeconfig: it is nested too", id="deep-objects"),
        pytest.param(aliases("[%s]"), MANY_VALUES, id="billions-in-lists"),
        pytest.param(aliases("{<<: [%s]}"), MANY_VALUES, id="billions-merged"),
        pytest.param(b"a: [" + b"x," * 300_000 + b"]", MANY_VALUES, id="many"),
        pytest.param(b"kind: Pod", "{path}: it is no kubeconfig, but an object of the kind Pod", id="kind"),
        pytest.param(
            b"clusters: 5",
            "{path}: it is no kubeconfig: Expected `array`, got `int` - at `$.clusters`",
            id="type",
        ),
        pytest.param(
            b"users: [{name: u, user: {token: 5}}]",
            "{path}: it is no kubeconfig: Expected `str`, got `int` - at `$.users[0].user.token`",
            id="type-in-user",
        ),
        pytest.param(
            b"# " + b"x" * (16 * 2**20), "{path}: it is no kubeconfig: it has more than 16 MiB", id="big"
        ),
    ],
)
async def test_a_garbage_file_gets_one_sentence(content: bytes, reason: str, tmp_path: Path) -> None:
    """It names the file, the reason and the remedy."""
    path = tmp_path / "config"
    path.write_bytes(content)

    assert (await fault(path)).startswith(reason.format(path=path))


async def test_a_path_that_can_not_be_read(tmp_path: Path) -> None:
    """A folder, and a file that does not exist."""
    assert await fault(tmp_path) == f"{tmp_path}: Is a directory"
    assert await fault(tmp_path / "none") == "no such file"
    assert await fault(f"{tmp_path}/none:{tmp_path}/neither") == "no such file"
    assert await fault("~no-such-user/config") == "~no-such-user/config: Could not determine home directory."
    assert await fault("a\0b") == "a\0b: embedded null byte"


@pytest.mark.parametrize("field", ["tokenFile", "client-certificate", "certificate-authority"])
async def test_a_path_without_an_end(field: str, tmp_path: Path) -> None:
    """Of a device no more than 1 MiB is read."""
    user = {field: "/dev/zero"} | ({"client-key": "/dev/zero"} if field == "client-certificate" else {})
    of_cluster = field == "certificate-authority"
    path = kubeconfig(
        tmp_path, {} if of_cluster else user, "https://127.0.0.1:1", cluster=user if of_cluster else {}
    )

    assert (await fault(path)).endswith("/dev/zero: File too large")


async def test_a_known_alias_is_written_out(tmp_path: Path) -> None:
    """Anchors within the limit mean what they mean for kubectl."""
    path = changed(kubeconfig(tmp_path, {}), {"users": "USERS"})
    changed_text(path, '"USERS"', "[{name: &name u, user: {token: *name}}]")

    assert await (await find_api_server(path, {})).authentication.current() == "Bearer u"


@pytest.mark.parametrize("user", [{"token": "a\nb"}, {"token": "t", "as": "a\r\nX-Other: b"}], ids=str)
async def test_a_text_that_no_header_can_have(
    user: dict[str, Any], server: FakeApiServer, tmp_path: Path
) -> None:
    """It is a fault of the request, which does not end the process, and adds no header."""
    async with open_cluster(kubeconfig(tmp_path, user, server.url), SHORT) as client:
        with pytest.raises(UnavailableError, match="control character"):
            await client.get("/api")
    assert server.requests == []


@pytest.mark.parametrize("host", ["a" * 300, "a..b"], ids=["long", "empty-label"])
async def test_a_host_name_that_can_not_exist(host: str, tmp_path: Path) -> None:
    """It can't be encoded for DNS."""
    async with open_cluster(kubeconfig(tmp_path, {}, f"https://{host}:1"), SHORT) as client:
        with pytest.raises(UnavailableError, match="label"):
            await client.get("/api")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"current-context": None},
            "no current-context is set: choose one with `kubectl config use-context`",
        ),
        ({"current-context": "y"}, "the current context 'y' is not defined"),
        ({"clusters": None}, "the cluster 'c' of the current context 'x' is not defined"),
        ({"users": []}, "the user 'u' of the current context 'x' is not defined"),
        ({"clusters": [{"name": "c", "cluster": None}]}, "the cluster 'c' has no server"),
    ],
)
async def test_parts_that_are_missing(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """The name that leads nowhere is in the sentence."""
    assert await fault(changed(kubeconfig(tmp_path, {}), change)) == reason


@pytest.mark.parametrize(
    ("user", "cluster", "reason"),
    [
        ({"token": "t", "username": "me"}, {}, "in the user 'u', token and username are both set"),
        (
            {"as-groups": ["system:masters"]},
            {},
            "in the user 'u', as-uid, as-groups and as-user-extra need `as`",
        ),
        ({"client-certificate-data": "x"}, {}, "in the user 'u', client-certificate needs client-key"),
        (
            {"client-certificate-data": "%", "client-key-data": "x"},
            {},
            "client-certificate-data is no base64",
        ),
        (
            {"client-certificate": "none", "client-key": "none"},
            {},
            "client-certificate {folder}/none: No such",
        ),
        ({}, {"certificate-authority": "none"}, "certificate-authority {folder}/none: No such file"),
        ({}, {"certificate-authority-data": "UEVN"}, "the CA file has no certificate"),
        (
            {},
            {"certificate-authority-data": "UEVN", "insecure-skip-tls-verify": True},
            "in the user 'u', the cluster has a certificate-authority and insecure-skip-tls-verify",
        ),
        ({}, {"server": "https://host:port"}, "the server 'https://host:port' is no URL"),
        ({}, {"server": "ftp://host"}, "the server 'ftp://host' is no URL"),
        (
            {"exec": {"command": "x"}, "auth-provider": {"name": "oidc"}},
            {},
            "in the user 'u', exec and auth-pro",
        ),
        ({"auth-provider": {"name": "oidc"}}, {}, "auth-provider: oidc: missing configuration"),
    ],
    ids=str,
)
async def test_parts_that_do_not_fit(
    user: dict[str, Any], cluster: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """Such files are refused, as by kubectl: groups without a user would be ignored."""
    path = kubeconfig(tmp_path, user, HTTPS, cluster=cluster)

    assert (await fault(path)).startswith(reason.format(folder=tmp_path))


async def test_an_unusable_proxy_of_the_kubeconfig(tmp_path: Path) -> None:
    """The field is named, and its password is not shown."""
    path = kubeconfig(tmp_path, {}, HTTPS, cluster={"proxy-url": "socks5://me:word@localhost:1080"})
    with pytest.raises(SettingsError) as refusal:
        await find_api_server(path, {})

    assert refusal.value.faults[0].startswith(
        f"proxy-url is 'socks5://localhost:1080', for requests to {HTTPS}: SOCKS proxies are not supported"
    )


async def test_several_files_are_merged(tmp_path: Path) -> None:
    """The first file counts for the current context and for entries of one name; paths are of each file."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        (folder / "token").write_text(folder.name)
    first = {
        "clusters": None,
        "users": [entry("user", "u", tokenFile="token")],
        "contexts": [
            entry("context", "x", cluster="c", user="u"),
            entry("context", "y", cluster="c", user="v"),
        ],
        "current-context": "x",
    }
    second = {
        "clusters": [entry("cluster", "c", server=HTTP)],
        "users": [entry("user", "u", tokenFile="none"), entry("user", "v", tokenFile="token")],
        "current-context": "y",
    }
    paths = [folder / "config" for folder in folders]
    for path, content in zip(paths, (first, second), strict=True):
        path.write_text(yaml.safe_dump(content))
    both = await find_api_server(f"{paths[0]}:{tmp_path}/none::{paths[1]}", {})
    paths[0].write_text(yaml.safe_dump(first | {"current-context": ""}))
    of_second = await find_api_server(f"{paths[0]}:{paths[1]}", {})

    assert both.url == HTTP
    assert await both.authentication.current() == "Bearer first"
    assert await of_second.authentication.current() == "Bearer second"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_encodings_of_a_file(encoding: str, tmp_path: Path) -> None:
    """Editors and shells of Windows write UTF-8 with a byte order mark, or UTF-16."""
    path = changed(kubeconfig(tmp_path, {"token": "t"}), {}, encoding)

    assert (await find_api_server(path, {})).url == HTTP


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({}, ""),
        ({"token": "t"}, "Bearer t"),
        ({"token": "t\n"}, "Bearer t"),
        ({"token": "t", "tokenFile": None, "username": None, "exec": None, "as": None}, "Bearer t"),
        ({"username": "me", "password": "p@ss"}, f"Basic {base64.b64encode(b'me:p@ss').decode()}"),
        ({"token": "t", "exec": {"command": "none", "apiVersion": "v1"}}, "Bearer t"),
        (
            {
                "client-certificate": None,
                "client-certificate-data": None,
                "client-key": None,
                "client-key-data": None,
                "token": "t",
            },
            "Bearer t",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("server", [HTTP, HTTPS])
async def test_the_authorization_of_a_user(
    user: dict[str, Any], authorization: str, server: str, tmp_path: Path
) -> None:
    """Null fields are absent; a token comes before a plug-in."""
    cluster = {"certificate-authority": None, "certificate-authority-data": None, "tls-server-name": None}
    path = kubeconfig(tmp_path, user, server, cluster=cluster)

    assert await (await find_api_server(path, {})).authentication.current() == authorization


@pytest.mark.parametrize(
    ("server", "cluster", "url"),
    [
        ("127.0.0.1:8080", {}, "http://127.0.0.1:8080"),
        ("127.0.0.1:8443", {"insecure-skip-tls-verify": True}, "https://127.0.0.1:8443"),
        ("https://[fd00::1]:6443/k8s/clusters/c-1/", {}, "https://[fd00::1]:6443/k8s/clusters/c-1"),
    ],
)
async def test_the_url_of_a_server(server: str, cluster: dict[str, Any], url: str, tmp_path: Path) -> None:
    """Without a scheme it is http, or https if anything of TLS is set; a path is kept."""
    assert (await find_api_server(kubeconfig(tmp_path, {}, server, cluster=cluster), {})).url == url


async def test_impersonation(server: FakeApiServer, tmp_path: Path) -> None:
    """Each group and each value of an extra has a header; keys are escaped as in client-go."""
    server.on("GET", "/api", answers(thing("api")))
    user = {
        "token": "t",
        "as": "jane",
        "as-uid": "42",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"example.org/scopes%": ["a", "b"]},
    }
    async with open_cluster(kubeconfig(tmp_path, user, server.url), SHORT) as client:
        await client.get("/api")

    headers = server.requests[0].headers
    sent = [(name, value) for name, value in headers.items() if name.startswith("Impersonate-")]
    assert sent == [
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "42"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-example.org%2Fscopes%25", "a"),
        ("Impersonate-Extra-example.org%2Fscopes%25", "b"),
    ]
    assert headers["Authorization"] == "Bearer t"


async def test_variables_of_other_programs_send_no_credentials(
    server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ~/.netrc does not replace the credentials of the kubeconfig."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.on("GET", "/api", answers(thing("api")))
    async with open_cluster(kubeconfig(tmp_path, {}, server.url), SHORT) as client:
        await client.get("/api")

    assert "Authorization" not in server.requests[0].headers

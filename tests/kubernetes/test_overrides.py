"""Flags of kubectl's names: the context, its namespace, and the identity to act as."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.command_line.cluster_access import read_overrides
from app.errors import SettingsError
from app.kubernetes.client import open_cluster
from app.kubernetes.credentials import context_namespace, find_api_server
from app.kubernetes.overrides import NO_OVERRIDES, Overrides
from tests.kubernetes.clients import SHORT
from tests.kubernetes.fake_api_server import FakeApiServer, answers, thing
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.parts.locate import Part, require

ALICE = {"token": "t", "as": "alice", "as-groups": ["dev"], "as-uid": "7", "as-user-extra": {"a": ["1"]}}
# The user of the kubeconfig, the flags, and the headers that kubectl sends, without `Impersonate-`.
CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "kubeconfig": (ALICE, [], ["User: alice", "Uid: 7", "Group: dev", "Extra-A: 1"]),
    "user": (ALICE, ["--as", "bob"], ["User: bob", "Uid: 7", "Group: dev", "Extra-A: 1"]),
    "group": (ALICE, ["--as-group", "ops"], ["User: alice", "Uid: 7", "Group: ops", "Extra-A: 1"]),
    "groups": (
        {"token": "t"},
        ["--as", "bob", "--as-group", "ops", "--as-group", "x,y"],
        ["User: bob", "Group: ops", "Group: x,y"],
    ),
    "uid": ({"token": "t"}, ["--as", "bob", "--as-uid", "9"], ["User: bob", "Uid: 9"]),
    "extra": (
        ALICE,
        ["--as-user-extra", "a=2", "--as-user-extra", "b=3", "--as-user-extra", "b=4"],
        ["User: alice", "Uid: 7", "Group: dev", "Extra-A: 2", "Extra-B: 3", "Extra-B: 4"],
    ),
}


def overrides_of(flags: list[str]) -> Overrides:
    """The overrides of the command line *flags*."""
    given: dict[str, list[str]] = {}
    for flag, text in zip(flags[::2], flags[1::2], strict=True):
        given.setdefault(flag, []).append(text)
    user, uid = (next(iter(given.get(name, ())), None) for name in ("--as", "--as-uid"))
    return read_overrides(None, user, uid, given.get("--as-group", ()), given.get("--as-user-extra", ()))


def sent(server: FakeApiServer) -> list[str]:
    """The headers of impersonation in the last request, sorted; the case of their names means nothing."""
    headers = ((name.title(), value) for name, value in server.requests[-1].headers.items())
    start = "Impersonate-"
    return sorted(f"{name.removeprefix(start)}: {value}" for name, value in headers if name.startswith(start))


@pytest.mark.parametrize(("user", "flags", "expected"), CASES.values(), ids=CASES)
async def test_the_identity(
    user: dict[str, Any], flags: list[str], expected: list[str], server: FakeApiServer, tmp_path: Path
) -> None:
    """Each flag replaces its own field of the kubeconfig, and no other."""
    server.on("GET", "/api", answers(thing("api")))
    path = kubeconfig(tmp_path, user, server.url)
    async with open_cluster(path, SHORT, overrides_of(flags)) as client:
        await client.get("/api")

    assert sent(server) == sorted(expected)


@pytest.mark.cluster
@pytest.mark.parametrize(("user", "flags", "expected"), CASES.values(), ids=CASES)
async def test_kubectl_sends_the_same(
    user: dict[str, Any], flags: list[str], expected: list[str], server: FakeApiServer, tmp_path: Path
) -> None:
    """The expectation above is what kubectl sends."""
    server.on("GET", "/api", answers(thing("api")))
    path = kubeconfig(tmp_path, user, server.url)
    process = await asyncio.create_subprocess_exec(
        str(require(Part.KUBECTL)),
        *("--kubeconfig", path, *flags, "get", "--raw", "/api"),
        stdout=subprocess.DEVNULL,
    )
    assert await process.wait() == 0

    assert sent(server) == sorted(expected)


@pytest.mark.parametrize(
    "flags", [["--as-group", "ops"], ["--as-uid", "9"], ["--as-user-extra", "a=1"]], ids=str
)
async def test_a_group_without_a_user_is_refused(flags: list[str], tmp_path: Path) -> None:
    """As kubectl does: the request would be the user's own. So for a service account."""
    for path in (kubeconfig(tmp_path, {"token": "t"}), None):
        with pytest.raises(SettingsError, match=r"as-user-extra need `as` \(--as\)"):
            await find_api_server(path, {}, overrides=overrides_of(flags))


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--as", ""], "--as is empty"),
        (["--as", "bob", "--as-group", ""], "--as-group is empty"),
        (["--as", "bob", "--as-uid", ""], "--as-uid is empty"),
        (["--as", "bob", "--as-user-extra", "scopes"], "--as-user-extra is 'scopes': use KEY=VALUE"),
        (["--as", "bob", "--as-user-extra", "=x"], "--as-user-extra is '=x': use KEY=VALUE"),
    ],
    ids=str,
)
def test_a_flag_that_kubectl_would_leave_out(flags: list[str], fault: str) -> None:
    """`--as "$USER_NAME"` with an unset variable would act with all rights of the user: it is refused."""
    with pytest.raises(SettingsError) as refusal:
        overrides_of(flags)

    assert fault in str(refusal.value)


def two_contexts(directory: Path) -> str:
    """A kubeconfig with the current context `x` and another one `y`, which names a namespace."""
    path = Path(kubeconfig(directory, {"token": "t"}, "http://one:1"))
    content = json.loads(path.read_text())
    content["clusters"].append({"name": "c2", "cluster": {"server": "http://two:2"}})
    content["contexts"].append({"name": "y", "context": {"cluster": "c2", "user": "u", "namespace": "shop"}})
    path.write_text(json.dumps(content))
    return str(path)


async def test_a_context(tmp_path: Path) -> None:
    """The flag chooses the context, with its cluster, its user and its namespace; a wrong one is named."""
    path, chosen = two_contexts(tmp_path), Overrides(context="y")

    assert (await find_api_server(path, {})).url == "http://one:1"
    assert (await find_api_server(path, {}, overrides=chosen)).url == "http://two:2"
    assert context_namespace(path) == ""
    assert context_namespace(path, chosen) == "shop"
    with pytest.raises(SettingsError, match=r"can't be used: the context 'z' is not defined; set KUBECONFIG"):
        await find_api_server(path, {}, overrides=Overrides(context="z"))


async def test_a_context_without_a_kubeconfig() -> None:
    """A Pod has one cluster: a context that would be ignored is refused."""
    with pytest.raises(SettingsError, match="--context is 'prod', and there is no kubeconfig"):
        await find_api_server(None, {}, overrides=Overrides(context="prod"))


def test_no_flags_override_nothing() -> None:
    """Without flags, the kubeconfig decides alone."""
    assert read_overrides(None, None, None, (), ()) == NO_OVERRIDES

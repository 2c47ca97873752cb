"""Addresses of a listener: all of both IP versions by default, on every kind of host."""

import asyncio
import errno
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.errors import ProfilerError
from app.http_server.binding import bind, loopback
from app.http_server.listener import Listener
from app.settings.environment import Settings
from tests.kubernetes.polling import until
from tests.parts.locate import is_continuous_integration

REPOSITORY = Path(__file__).parents[2]
LOOPBACKS = ("127.0.0.1", "::1")


async def greet(_scope: Any, _receive: Any, send: Any) -> None:
    """A response to each request."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def responds(address: str, port: int) -> bool:
    """True if a request to the address has the response of the listener."""
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.write(b"GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n")
    response = await reader.read()
    writer.close()
    return response.startswith(b"HTTP/1.1 200 ")


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[int]:
    """The free port of a listener on *address*."""
    listener = Listener(greet, address, 0)
    task = asyncio.create_task(listener.run_until_cancelled())
    try:
        await until(lambda: listener.started or task.done())
        assert listener.own_address
        assert await responds(*listener.own_address)
        yield listener.own_address[1]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(Settings.model_fields["bind_address"].default, LOOPBACKS, id="default"),
        pytest.param("::", LOOPBACKS, id="::"),
        pytest.param("[::]", LOOPBACKS, id="[::]"),
        pytest.param("", LOOPBACKS, id="empty"),
        pytest.param("0.0.0.0", LOOPBACKS[:1], id="0.0.0.0"),
        pytest.param("127.0.0.1", LOOPBACKS[:1], id="127.0.0.1"),
        pytest.param("::1", LOOPBACKS[1:], id="::1"),
        pytest.param("[::1]", LOOPBACKS[1:], id="[::1]"),
    ],
)
async def test_the_addresses_that_answer(address: str, expected: Sequence[str]) -> None:
    """The default and `::` answer on IPv4 and IPv6; a single address answers alone."""
    async with listening(address) as port:
        assert [loopback for loopback in LOOPBACKS if await responds(loopback, port)] == [*expected]


async def test_a_host_name_binds_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an IPv4 and an IPv6 address is bound twice, with one port."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    sockets = bind("webhook.test", 0)
    names = [bound.getsockname()[:2] for bound in sockets]
    for bound in sockets:
        bound.close()

    assert [host for host, _ in names] == [*LOOPBACKS]
    assert len({port for _, port in names}) == 1


@pytest.mark.parametrize("step", ["socket", "option", "bind"])
def test_a_kernel_without_ipv6_binds_ipv4(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ipv6.disable=1 there is no IPv6 socket; other systems fail at the option, or when binding."""
    fault = OSError(errno.EAFNOSUPPORT if step == "socket" else errno.EADDRNOTAVAIL, "no IPv6")

    class Kernel(socket.socket):
        def __init__(self, family: int = -1, *arguments: Any, **named: Any) -> None:
            if step == "socket" and family == socket.AF_INET6:
                raise fault
            super().__init__(family, *arguments, **named)

        def setsockopt(self, *option: Any) -> None:
            if step == "option" and option[0] == socket.IPPROTO_IPV6:
                raise fault
            super().setsockopt(*option)

        def bind(self, address: Any) -> None:
            if step == "bind" and self.family == socket.AF_INET6:
                raise fault
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Kernel)
    [bound] = bind("::", 0)
    name = bound.getsockname()[0]
    bound.close()

    assert name == "0.0.0.0"
    assert loopback(name) == "127.0.0.1"


def test_a_used_port_is_not_bound_for_one_version_alone() -> None:
    """If the port is in use on IPv6, the listener does not fall back to IPv4."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as occupied:
        port = occupied.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use"):
            bind("::", port)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("no.such.name.invalid", "not known|failure in name resolution|No address"),
        ("a" * 64, "label"),
    ],
)
async def test_an_address_of_another_host(address: str, reason: str) -> None:
    """The error names the address and the reason; 192.0.2.1 is of a range for documentation."""
    with pytest.raises(ProfilerError, match=f"can't listen on {address}, port 0: .*({reason})"):
        await Listener(greet, address, 0).run_until_cancelled()


def in_network_namespace(module: str, *setup: str) -> str:
    """The output of `python -m MODULE` in a new network namespace; *setup* are commands that run before."""
    command = " && ".join([*setup, f"exec {sys.executable} -m {module}"])
    run = subprocess.run(
        ["unshare", "--net", "sh", "-ec", command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def can_make_namespaces() -> bool:
    """True if this user may create network namespaces (root, with `unshare` and `ip`)."""
    tools = shutil.which("unshare") and shutil.which("ip")
    return bool(tools) and subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


@pytest.fixture
def network_namespaces() -> None:
    """Skips the test, or fails it on a build server, if this user can't create network namespaces."""
    if not can_make_namespaces():
        (pytest.fail if is_continuous_integration() else pytest.skip)("needs root, unshare and ip")


@pytest.mark.usefixtures("network_namespaces")
@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        pytest.param(["ip link set lo up"], ":: 127.0.0.1 None", id="dual-stack"),
        pytest.param(
            ["ip link set lo up", "ip address del 127.0.0.1/8 dev lo"], ":: ::1 None", id="ipv6-only"
        ),
        pytest.param(
            ["echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6", "ip link set lo up"],
            ":: 127.0.0.1 None",
            id="ipv6-disabled",
        ),
    ],
)
def test_readiness_on_every_kind_of_host(setup: list[str], expected: str) -> None:
    """The listener on the default address dials itself, so that the replica becomes ready.

    Container runtimes set disable_ipv6 in Pods of IPv4-only clusters: the kernel binds `::`, but the loopback
    interface has no ::1. In the second namespace the loopback interface has no 127.0.0.1.
    """
    assert in_network_namespace("tests.http_server.self_dialled", *setup) == expected


@pytest.mark.usefixtures("network_namespaces")
def test_the_demonstration_runs_without_ipv4() -> None:
    """On a host without 127.0.0.1 its listeners are on ::1, and the URL has brackets."""
    output = in_network_namespace("app demo", "ip link set lo up", "ip address del 127.0.0.1/8 dev lo")

    assert "Sent an admission review of a Pod of `web` to https://[::1]:" in output
    assert "liqo.io/cpuProfile: cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f" in output

"""Server sockets of a listener: for one address, for the addresses of a host name, or for all addresses.

asyncio binds `::` for IPv6 alone. Here `::` also accepts IPv4, as in Go's servers: one default serves Pods of
IPv4, IPv6 and dual-stack clusters.
"""

import errno
import socket
from collections.abc import Iterable

ALL_ADDRESSES = "::"
_ALL_IPV4 = "0.0.0.0"  # noqa: S104 - a Pod listens on its own addresses only
_LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
# The kernel has no IPv6 (ipv6.disable=1), or no sockets for both versions.
_NO_DUAL_STACK = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL, errno.ENOPROTOOPT}


def bind(address: str, port: int) -> list[socket.socket]:
    """Bound sockets that do not listen yet; the caller closes them.

    An empty *address* and `::` mean all addresses, IPv4 alone if the kernel has no IPv6. Port 0 means a free
    port.

    Raises:
        OSError: the address is not one of this host or in use, or the name has no address.
    """
    host = address.strip().removeprefix("[").removesuffix("]")
    if host in {"", ALL_ADDRESSES}:
        return [_bind_all(port)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return _bind_each(dict.fromkeys((family, place) for family, _, _, _, place in found), port)


def loopback(address: str) -> str:
    """The address at which this host reaches a socket bound to *address*.

    For all addresses, it is the loopback address that exists: an IPv6-only host may have no 127.0.0.1, and a
    container without IPv6 has no ::1, although its kernel binds `::`.
    """
    if address == _ALL_IPV4:
        return "127.0.0.1"
    if address != ALL_ADDRESSES:
        return address
    return next((local for family, local in _LOOPBACKS if _exists(family, local)), "::1")


def in_url(address: str) -> str:
    """*address* as the host of a URL: an IPv6 address is in brackets."""
    return f"[{address}]" if ":" in address else address


def _bind_all(port: int) -> socket.socket:
    try:
        return _bind(socket.AF_INET6, (ALL_ADDRESSES, port), dual_stack=True)
    except OSError as error:
        if error.errno not in _NO_DUAL_STACK:
            raise
    return _bind(socket.AF_INET, (_ALL_IPV4, port))


def _bind_each(places: Iterable[tuple[int, tuple[object, ...]]], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for family, (host, _, *scope) in places:
            same_port = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bind(family, (host, same_port, *scope)))
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def _bind(family: int, place: tuple[object, ...], *, dual_stack: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual_stack))
        bound.bind(place)
    except OSError:
        bound.close()
        raise
    return bound


def _exists(family: int, address: str) -> bool:
    """True if *address* is one of this host."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True

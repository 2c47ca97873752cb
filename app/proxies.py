"""The forward proxy of a URL, by the rules of Go's `httpproxy`, which kubectl and promtool follow; pure.

It is HTTPS_PROXY or HTTP_PROXY by the scheme of the URL, in capitals or small letters, unless NO_PROXY has
the host. Localhost and loopback addresses have none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from app.errors import SettingsError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_BRACKETED = re.compile(r"\[([^\]]*)\](?::(.*))?")
_SEPARATORS = re.compile(r"[,\s]+")
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `url` may have credentials, which the text of the object omits."""

    setting: str
    url: str

    def __str__(self) -> str:
        """The setting and the URL without credentials, for messages."""
        return f"{self.setting} {without_credentials(self.url)}"

    @classmethod
    def checked(cls, setting: str, text: str, url: str) -> Self:
        """The proxy in *text*, the value of *setting*, for requests to *url*.

        Raises:
            SettingsError: it is no URL of an HTTP proxy.
        """
        proxy = text.strip() if "://" in text else f"http://{text.strip()}"
        scheme = _scheme(proxy)
        if scheme.startswith("socks"):
            remedy = "SOCKS proxies are not supported: set it to an HTTP proxy"
        elif scheme not in _DEFAULT_PORTS or not _has_address(proxy):
            remedy = "use the URL of an HTTP proxy, such as http://proxy.example:3128"
        else:
            return cls(setting, proxy)
        fault = f"{setting} is {without_credentials(text)!r}, for requests to {without_credentials(url)}"
        raise SettingsError([f"{fault}: {remedy}, or name the host in NO_PROXY"])


def environment_proxy(url: str, environment: Mapping[str, str], *variables: str) -> Proxy | None:
    """The proxy for *url* in the variables of *environment*; None means that the host is asked directly.

    *variables* are names to look for after HTTP_PROXY or HTTPS_PROXY.

    Raises:
        SettingsError: the variable that applies has no usable proxy. Others are not checked.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    for variable in (f"{parts.scheme.upper()}_PROXY", *variables):
        setting, text = _variable(variable, environment)
        if text:
            excluded = is_excluded(host, port, _variable("NO_PROXY", environment)[1])
            return None if excluded else Proxy.checked(setting, text, url)
    return None


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """True if requests to *host* use no proxy: it is this host, or *no_proxy* lists it.

    An item is `*`, a range of addresses (CIDR), an address or a domain. A domain includes its subdomains;
    with a leading dot or `*.` it means only these. An address (in
    brackets or not) and a domain may have a port.
    """
    host, address = host.lower(), _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    items = filter(None, _SEPARATORS.split(no_proxy.lower()))
    return any(_excludes(item, host, address, port) for item in items)


def _excludes(item: str, host: str, address: Address | None, port: int) -> bool:
    if item == "*":
        return True
    if "/" in item:
        return address is not None and _is_within(address, item)
    name, item_port = _split_port(item)
    if item_port and item_port != str(port):
        return False
    if excluded := _address(name):
        return excluded == address
    domain = name.removeprefix("*").removeprefix(".")
    is_host = host == domain and name == domain
    return bool(domain) and (is_host or host.endswith(f".{domain}"))


def _split_port(item: str) -> tuple[str, str]:
    """The host of *item* and its port; a bare IPv6 address has none."""
    if bracketed := _BRACKETED.fullmatch(item):
        return bracketed[1], bracketed[2] or ""
    if item.count(":") == 1:
        host, _, port = item.partition(":")
        return host, port
    return item, ""


def _is_within(address: Address, cidr: str) -> bool:
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network


def _address(text: str) -> Address | None:
    """The IP address; an IPv4 address in an IPv6 one is that IPv4 address, as in Go."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _scheme(proxy: str) -> str:
    """The scheme; empty if *proxy* is no URL."""
    try:
        return urlsplit(proxy).scheme.lower()
    except ValueError:  # something else than an IPv6 address is in brackets
        return ""


def _has_address(proxy: str) -> bool:
    parts = urlsplit(proxy)
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def without_credentials(url: str) -> str:
    """*url* as messages show it."""
    before, at, after = url.rpartition("@")
    scheme, separator, _ = before.partition("://")
    return f"{scheme}{separator}{after}" if at and separator else after


def _variable(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """The name in capitals, or else in small letters, and its value; the value is empty if neither is set."""
    for variable in (name, name.lower()):
        if text := environment.get(variable, "").strip():
            return variable, text
    return name, ""

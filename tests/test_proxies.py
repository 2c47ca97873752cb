"""The proxy of a URL: decisions of Go's httpproxy, and of curl where Go has none."""

import pytest

from app.errors import SettingsError
from app.proxies import environment_proxy, is_excluded

PROXY = "http://proxy.example:3128"
HTTPS = "https://10.96.0.1:443"


@pytest.mark.parametrize(
    ("host", "no_proxy", "excluded"),
    [
        # Cases of TestProxyForURL in golang.org/x/net/http/httpproxy.
        ("example.com", "example.com", True),
        ("foo.example.com", "example.com", True),
        ("example.com", ".example.com", False),
        ("foo.example.com", ".example.com", True),
        ("example.com", "ample.com", False),
        ("example.com", ".foo.com", False),
        ("example.com", "*.example.com", False),
        ("foo.example.com", "*.example.com", True),
        ("EXAMPLE.com", "Example.COM", True),
        ("localhost", "", True),
        ("127.0.0.1", "", True),
        ("127.0.0.2", "", True),
        ("::1", "", True),
        ("localhost.example.com", "", False),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.3.7", "192.0.2.0/24", False),
        ("10.96.0.1", "192.168.0.0/16,10.0.0.0/8", True),
        ("fd00::1", "10.0.0.0/8, fd00::/8", True),
        ("fe80::1", "fd00::/8", False),
        ("fd00::1", "fd00::1", True),
        ("fd00:0::1", "fd00::1", True),
        ("192.0.2.7", "192.0.2.7:80", True),
        ("192.0.2.7", "192.0.2.7:81", False),
        ("fd00::1", "[fd00::1]:80", True),
        ("fd00::1", "[fd00::1]:81", False),
        ("example.com", "example.com:80", True),
        ("example.com", "example.com:81", False),
        ("foo.example.com", ".example.com:80", True),
        ("example.com", "*", True),
        ("192.0.2.7", "example.com, *", True),
        ("example.com", ":80", False),
        ("example.com", ".", False),
        ("example.com", "", False),
        ("::ffff:192.0.2.7", "192.0.2.0/24", True),
        # Go ignores these items; curl knows them.
        ("fd00::1", "[fd00::1]", True),
        ("10.0.0.1", "example.com 10.0.0.0/8", True),
        # Nothing in an item is an error.
        ("example.com", "http://example.com,10.0.0.0/33,[,],::/x", False),
    ],
)
def test_hosts_that_no_proxy_excludes(host: str, no_proxy: str, *, excluded: bool) -> None:
    """The request goes to port 80."""
    assert is_excluded(host, 80, no_proxy) is excluded


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY}, PROXY),
        (HTTPS, {"https_proxy": PROXY}, PROXY),
        (HTTPS, {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": "", "https_proxy": PROXY}, PROXY),
        (HTTPS, {"HTTP_PROXY": PROXY}, None),
        ("http://prometheus:9090", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://prometheus:9090", {"HTTPS_PROXY": PROXY}, None),
        (HTTPS, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        (HTTPS, {"HTTPS_PROXY": "https://proxy.example"}, "https://proxy.example"),
        (HTTPS, {"HTTPS_PROXY": "http://[fd00::3]:3128"}, "http://[fd00::3]:3128"),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "no_proxy": "10.0.0.0/8"}, None),
        ("https://[fd00::1]:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        (HTTPS, {"ALL_PROXY": PROXY}, None),
    ],
    ids=str,
)
def test_the_proxy_of_a_url(url: str, environment: dict[str, str], proxy: str | None) -> None:
    """The scheme selects the variable; capitals come first; ALL_PROXY is none of Go's variables."""
    found = environment_proxy(url, environment)

    assert (found.url if found else None) == proxy


def test_further_variables_come_last() -> None:
    """ALL_PROXY applies to a URL whose scheme has no variable of its own."""
    every, own = {"all_proxy": "http://all"}, {"HTTP_PROXY": PROXY}

    assert environment_proxy("http://p", every, "ALL_PROXY")
    found = environment_proxy("http://p", every | own, "ALL_PROXY")
    assert found
    assert found.url == PROXY
    assert environment_proxy("http://p", every | {"NO_PROXY": "p"}, "ALL_PROXY") is None


@pytest.mark.parametrize(
    ("value", "shown", "remedy"),
    [
        ("socks5://me:secret@proxy:1080", "socks5://proxy:1080", "SOCKS proxies are not supported"),
        ("socks5h://proxy", "socks5h://proxy", "SOCKS proxies are not supported"),
        ("http://[proxy]:1", "http://[proxy]:1", "use the URL of an HTTP proxy"),
        ("http://]x[:1", "http://]x[:1", "use the URL of an HTTP proxy"),
        ("ftp://proxy", "ftp://proxy", "use the URL of an HTTP proxy"),
        ("http://", "http://", "use the URL of an HTTP proxy"),
        ("http://proxy:port", "http://proxy:port", "use the URL of an HTTP proxy"),
        ("http://[::1", "http://[::1", "use the URL of an HTTP proxy"),
    ],
)
def test_an_unusable_proxy_is_a_fault_only_where_it_applies(value: str, shown: str, remedy: str) -> None:
    """The message has the variable, its value without credentials, the URL and the remedy."""
    environment = {"HTTPS_PROXY": value}
    assert environment_proxy("https://api.example", environment | {"NO_PROXY": ".example"}) is None
    assert environment_proxy("http://api.example", environment) is None
    with pytest.raises(SettingsError) as refusal:
        environment_proxy("https://api.example", environment)

    [fault] = refusal.value.faults
    assert fault.startswith(f"HTTPS_PROXY is {shown!r}, for requests to https://api.example: {remedy}")
    assert "secret" not in fault


def test_a_proxy_is_shown_without_credentials() -> None:
    """The URL for requests has them."""
    proxy = environment_proxy("http://p", {"http_proxy": "http://me:secret@proxy:3128"})

    assert proxy
    assert (str(proxy), proxy.url) == ("http_proxy http://proxy:3128", "http://me:secret@proxy:3128")

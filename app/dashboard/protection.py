"""What keeps other pages and other machines from the dashboard: policy, headers, host and token; pure.

A page on the internet can send requests to 127.0.0.1. It learns nothing by them: it does not know the token,
a name of its own that resolves to 127.0.0.1 (DNS rebinding) is no accepted host, and frames are refused.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

_LOOPBACK_NAMES = ("127.0.0.1", "localhost")
_NOTHING_ELSE = (
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
)


def content_policy(styles: str = "'self'", scripts: str = "'self'", images: str = "'self'") -> str:
    """The Content-Security-Policy: only these styles, scripts and images, and nothing of any other kind."""
    sources = (f"style-src {styles}", f"script-src {scripts}", f"img-src {images}")
    return "; ".join((*_NOTHING_ELSE, *sources))


def hashed(text: str) -> str:
    """The source expression that allows exactly *text* between the tags of a style or a script."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"{content_policy()}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_own_host(hosts: Iterable[str], port: int) -> bool:
    """True if the only Host header names the loopback address that the server listens on, and its port."""
    accepted = {f"{name}:{port}" for name in _LOOPBACK_NAMES}
    if port == 80:
        accepted.update(_LOOPBACK_NAMES)
    given = [host.strip().casefold() for host in hosts]
    return len(given) == 1 and given[0] in accepted


def is_token(given: str, token: str) -> bool:
    """True if *given* is the token; the time of the comparison does not depend on it."""
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())

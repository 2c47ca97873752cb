"""The resolution of a server's name, with a limit on the time that it may take.

The resolver of the C library can't be interrupted, and asyncio waits for its thread at the end: without an
answer of any DNS server a command would take a minute and more. Nothing waits for the thread here.
"""

import asyncio
import os
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from app.errors import SourceError
from app.proxies import environment_proxy


async def resolution_fault(url: str, timeout_seconds: float) -> SourceError | None:
    """The error if no DNS server has answered for the host of *url* in time; a proxy resolves it itself."""
    if environment_proxy(url, os.environ, "ALL_PROXY"):
        return None
    host = urlsplit(url).hostname or ""
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def resolve() -> None:
        with suppress(OSError, UnicodeError):
            socket.getaddrinfo(host, None)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(answered.set)

    threading.Thread(target=resolve, daemon=True).start()
    try:
        async with asyncio.timeout(timeout_seconds):
            await answered.wait()
    except TimeoutError:
        message = f"no DNS server has answered for {host} within {timeout_seconds:g} s"
        return SourceError("Unreachable", message)
    return None

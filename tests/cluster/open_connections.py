"""Aborts connections that still wait for the end of their TLS shutdown.

A cancelled watch sends close_notify and waits for that of the API server. If the event loop ends first, the
socket stays open and is reported as a leak in a later test.
"""

import asyncio
from typing import Any


async def cut_connections() -> None:
    """Aborts all connections of the running event loop."""
    loop: Any = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):
        transport.abort()
    await asyncio.sleep(0)

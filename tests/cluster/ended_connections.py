"""Cuts the connections that a client has left to the end of their TLS shutdown.

A watch that is cancelled says its last word and waits for the API server's. Where the event loop ends before
that, the socket stays open until it is collected, amid another test.
"""

import asyncio
from typing import Any


async def cut_connections() -> None:
    """All of the running event loop; nothing of it is used afterwards."""
    loop: Any = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):
        transport.abort()
    await asyncio.sleep(0)

"""A program: a TLS listener on all addresses that dials itself, as the webhook does before it is ready.

It prints the bound addresses, the address that it dialled, and the reason why that failed, or None. Tests run
it in network namespaces.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import uvloop

from app.http_server.listener import Listener
from app.settings.environment import Settings
from app.tls.self_dial import dial
from app.tls.serving import ServingContext
from tests.kubernetes.polling import until
from tests.tls.issued import issue_authority, issue_serving_certificate

NAME = "webhook.profiling.svc"


async def dial_own_listener() -> None:
    """Serve with the default BIND_ADDRESS, and print the results."""
    now = datetime.now(UTC)
    authority = issue_authority(now)
    serving = ServingContext()
    serving.load(issue_serving_certificate(authority, (NAME,), now))
    listener = Listener(None, Settings.model_fields["bind_address"].default, 0, serving.context)
    task = asyncio.create_task(listener.run_until_cancelled())
    await until(lambda: listener.started)
    address = listener.own_address
    assert address
    bound = [server_socket.getsockname()[0] for server_socket in listener.servers[0].sockets]
    print(*bound, address[0], await dial(address, authority.certificate, NAME))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    uvloop.run(dial_own_listener())

"""A forward proxy on 127.0.0.1, as companies have one: absolute URLs for http, CONNECT for https."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class ForwardProxy:
    """A running proxy, as a context manager; `targets` has the method and the address of each request.

    A host name in *hosts* stands for that address, so that tests can use names that do not exist.
    """

    def __init__(self, **hosts: tuple[str, int]) -> None:
        self.targets: list[str] = []
        self.authorizations: list[str] = []
        self._hosts = {name.replace("_", "."): address for name, address in hosts.items()}

    @property
    def url(self) -> str:
        """The URL for HTTP_PROXY."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, version = head.split("\r\n", 1)[0].split(" ")
        lines = [line for line in head.split("\r\n")[1:] if line]
        self.authorizations += [line for line in lines if line.lower().startswith("proxy-authorization:")]
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        self.targets.append(f"{method} {parts.netloc}")
        host, port = self._hosts.get(parts.hostname or "", (parts.hostname, parts.port or 80))
        upstream = await asyncio.open_connection(host, port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = parts._replace(scheme="", netloc="").geturl() or "/"
            kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
            request = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
            upstream[1].write("\r\n".join(request).encode())
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while received := await reader.read(2**16):
            writer.write(received)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()

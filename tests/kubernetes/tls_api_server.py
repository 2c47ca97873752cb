"""An API server with TLS; it records the credentials of each request."""

import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from app.http_server.client_names import common_names
from tests.kubernetes.fake_api_server import thing
from tests.tls.issued import issue_authority, issue_serving_certificate


class TlsApiServer:
    """A running server on *address*, as a context manager; its CA file is `ca.crt` in *folder*.

    It asks for client certificates of its authority. `headers` and `names` hold the `Authorization` and the
    common name of the certificate of each request; names in *refused* get a 401.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self._folder, self._address = folder, address
        self.authority = issue_authority(datetime.now(UTC))
        self.headers: list[str] = []
        self.names: list[str] = []
        self.refused: set[str] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        pair = issue_serving_certificate(self.authority, (self._address,), datetime.now(UTC))
        files = {
            "tls.crt": pair.certificate,
            "tls.key": pair.private_key,
            "ca.crt": self.authority.certificate,
        }
        for name, content in files.items():
            (self._folder / name).write_bytes(content)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self._folder / "ca.crt"))
        tls.verify_mode = ssl.CERT_OPTIONAL
        tls.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._respond)
        runner = web.AppRunner(app, shutdown_timeout=1)
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, self._address, 0, ssl_context=tls).start()
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _respond(self, request: web.Request) -> web.Response:
        assert request.transport
        [name] = common_names(request.transport.get_extra_info("peercert")) or [""]
        self.headers.append(request.headers.get("Authorization", ""))
        self.names.append(name)
        return web.json_response(thing("api"), status=401 if name in self.refused else 200)

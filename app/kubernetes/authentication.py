"""Sources of the `Authorization` header: fixed texts, token files, credential plug-ins, the client library.

`current` is called before each request. `expire` is called when the API server refuses the credentials (401):
the next request reads them again.
"""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from app.kubernetes.client_library import Configuration
from app.kubernetes.error_text import CredentialsError
from app.kubernetes.exec_plugin import PluginOutput, run_plugin
from app.kubernetes.kubeconfig import Cluster, ExecPlugin
from app.small_files import read_small_file

REFRESH_SECONDS = 60
_NO_PASS_PHRASE = ""  # instead of a prompt


class ClientTls:
    """The TLS context of new connections.

    There is another context for each client certificate: connections with the one before are not used again.
    """

    def __init__(self, build: Callable[[], ssl.SSLContext]) -> None:
        self._build = build
        self.context = build()

    def present(self, certificate: bytes, key: bytes) -> None:
        """Present *certificate* from now on; raises OSError if it can't be used."""
        context = self._build()
        load_certificate(context, certificate, key)
        self.context = context


class Authentication(Protocol):
    """The value of the `Authorization` header; empty if there is none.

    Raises:
        CredentialsError: it can't be read now.
    """

    async def current(self) -> str:
        """The value for the next request."""

    def expire(self) -> None:
        """Read it again before the next request."""


class FixedAuthentication:
    """A token, or user name and password, that never changes."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def current(self) -> str:
        """Always the same."""
        return self._value

    def expire(self) -> None:
        """Nothing else is known."""


class TokenFile:
    """A bearer token in a file, read again each minute; *fallback* counts while the file is unreadable."""

    def __init__(self, path: str, fallback: str, clock: Callable[[], float]) -> None:
        self._path, self._fallback, self._clock = Path(path), fallback, clock
        self._value, self._read_at = "", float("-inf")

    async def current(self) -> str:
        """The token that was read less than a minute ago."""
        if self._clock() - self._read_at >= REFRESH_SECONDS:
            self._value = f"Bearer {self._read()}"
            self._read_at = self._clock()
        return self._value

    def expire(self) -> None:
        """The token may have been rotated."""
        self._read_at = float("-inf")

    def _read(self) -> str:
        try:
            token = read_small_file(self._path).decode().strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            token, fault = "", f"the token file {self._path}: {reason}"
        else:
            fault = f"the token file {self._path} is empty"
        if not token and not self._fallback:
            raise CredentialsError(fault)
        return token or self._fallback


class PluginAuthentication:
    """Credentials of a plug-in, which runs again when they expire; a client certificate goes into *tls*."""

    def __init__(
        self, plugin: ExecPlugin, cluster: Cluster, tls: ClientTls | None, clock: Callable[[], float]
    ) -> None:
        self._plugin, self._cluster, self._tls, self._clock = plugin, cluster, tls, clock
        self._output: PluginOutput | None = None
        self._lock = asyncio.Lock()  # an interactive plug-in runs once, not for each of several requests

    async def current(self) -> str:
        """The token, if the plug-in printed one."""
        async with self._lock:
            output = self._output
            if output is None or (output.expires is not None and output.expires <= self._clock()):
                output = await run_plugin(self._plugin, self._cluster)
                self._use_certificate(output)
                self._output = output
        return f"Bearer {output.token}" if output.token else ""

    def expire(self) -> None:
        """The plug-in runs before the next request."""
        self._output = None

    def _use_certificate(self, output: PluginOutput) -> None:
        if not (self._tls and output.certificate):
            return
        try:
            self._tls.present(output.certificate, output.key)
        except OSError as error:
            raise CredentialsError(f"exec: the certificate of {self._plugin.command}: {error}") from error


class LibraryAuthentication:
    """The token that the client library keeps, such as that of a Pod's service account."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    async def current(self) -> str:
        """The token; the library reads it again when it is old."""
        try:
            value: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        except Exception as error:  # of a provider the library raises arbitrary exceptions
            raise CredentialsError(f"{error}") from error
        return (value or "").strip()

    def expire(self) -> None:
        """The library decides."""


def basic(username: str, password: str) -> str:
    """The header for user name and password."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def load_certificate(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Present *certificate*; `ssl` reads it from files only, which exist for a moment."""
    with tempfile.TemporaryDirectory() as folder:  # readable for this user only
        certificate_file, key_file = Path(folder, "tls.crt"), Path(folder, "tls.key")
        certificate_file.write_bytes(certificate)
        key_file.write_bytes(key)
        tls.load_cert_chain(certificate_file, key_file, password=_NO_PASS_PHRASE)

"""Credentials and trusted CAs for Prometheus.

Secrets stay in files. A token or password is read for each query, certificates are loaded again when their
files change: their rotation needs no restart.
"""

import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.errors import SourceError
from app.small_files import read_small_file
from app.sources.sigv4 import SigV4

TENANT_HEADER = "X-Scope-OrgID"
_NO_PASS_PHRASE = ""  # without one, OpenSSL prompts on the terminal and waits
Fingerprint = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """The path of a file, and the name of the setting that holds it."""

    setting: str
    path: str

    def secret(self) -> str:
        """The file's text without surrounding white space; raises SourceError."""
        with self.named_in_errors():
            text = read_small_file(self.path).decode().strip()
            if not text:
                raise ValueError("it is empty")
        return text

    def check_size(self) -> None:
        """Raises OSError if the file is too large: OpenSSL would read a device without an end."""
        read_small_file(self.path)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Turns an error in reading the file into a SourceError that names the setting and the path."""
        try:
            yield
        except OSError as error:  # an SSLError is one
            raise self._unusable(error.strerror or str(error)) from error
        except ValueError as error:  # the file is empty, or no text
            raise self._unusable(str(error)) from error

    def _unusable(self, reason: str) -> SourceError:
        message = f"{self.setting} is {self.path!r}, which can't be used: {reason}"
        return SourceError("UnusableCredentials", message)


@dataclass(frozen=True, slots=True)
class PrometheusCredentials:
    """Paths of files, and other values; empty ones are not used."""

    bearer_token_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    tenant: str = ""
    sigv4_region: str = ""

    def authentication(self) -> httpx.Auth | None:
        """The authentication of each request; raises SourceError if its file or library is unusable."""
        if self.sigv4_region:
            return SigV4(self.sigv4_region)
        if self.bearer_token_file:
            auth = _SecretFromFile(CredentialFile("PROMETHEUS_BEARER_TOKEN_FILE", self.bearer_token_file))
        elif self.username:
            auth = _SecretFromFile(
                CredentialFile("PROMETHEUS_PASSWORD_FILE", self.password_file), self.username
            )
        else:
            return None
        auth.header()
        return auth

    def headers(self) -> dict[str, str]:
        """The additional headers of each request."""
        return {TENANT_HEADER: self.tenant} if self.tenant else {}

    def tls_context(self, *, trusts_public: bool = True) -> ssl.SSLContext:
        """The TLS context: trusts the CA file, or else the public CAs; presents the client certificate.

        Reading all public CAs takes 25 ms: *trusts_public* is false where no server needs them.

        Raises:
            SourceError: names the unusable file.
        """
        if self.ca_file:
            file = CredentialFile("PROMETHEUS_CA_FILE", self.ca_file)
            with file.named_in_errors():
                file.check_size()
                context = ssl.create_default_context(cafile=self.ca_file)
        else:
            context = httpx.create_ssl_context() if trusts_public else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.certificate_file:
            file = self._certificate_or_key_file()
            with file.named_in_errors():
                file.check_size()
                context.load_cert_chain(self.certificate_file, self.key_file or None, _NO_PASS_PHRASE)
        return context

    def _certificate_or_key_file(self) -> CredentialFile:
        """The file that errors name: that of the private key, if it is a separate file."""
        if self.key_file:
            return CredentialFile("PROMETHEUS_KEY_FILE", self.key_file)
        return CredentialFile("PROMETHEUS_CERTIFICATE_FILE", self.certificate_file)

    def fingerprint(self) -> Fingerprint:
        """The versions of all TLS files, to detect a change; empty if there are none or one is missing."""
        files = filter(None, (self.ca_file, self.certificate_file, self.key_file))
        try:
            states = [Path(file).stat() for file in files]
        except OSError:
            return ()
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)


class _SecretFromFile(httpx.Auth):
    """A bearer token, or the password of *username*, from a file."""

    def __init__(self, file: CredentialFile, username: str | None = None) -> None:
        self._file, self._username = file, username

    def header(self) -> str:
        """The value of `Authorization`; raises SourceError."""
        secret = self._file.secret()
        if self._username is None:
            return f"Bearer {secret}"
        return f"Basic {b64encode(f'{self._username}:{secret}'.encode()).decode()}"

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Reads the file for each request."""
        request.headers["Authorization"] = self.header()
        yield request

"""As whom a server is asked, and whom is believed to be it.

Secrets stay in files. A token or password is read for each query, certificates are loaded anew when their
files change: whoever rotates them has nothing to restart.
"""

import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.errors import SourceError
from app.sources.sigv4 import SigV4

TENANT_HEADER = "X-Scope-OrgID"
_NO_PASS_PHRASE = ""  # without an answer at hand OpenSSL asks the terminal for one, and waits
Fingerprint = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PrometheusCredentials:
    """Files by their paths; what is empty is not used."""

    bearer_token_file: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    tenant: str = ""
    sigv4_region: str = ""

    def authentication(self) -> httpx.Auth | None:
        """What proves each request; raises SourceError where what it needs is not there."""
        if self.sigv4_region:
            return SigV4(self.sigv4_region)
        if self.bearer_token_file or self.username:
            proof = _SecretFromFile(self)
            proof.header()
            return proof
        return None

    def headers(self) -> dict[str, str]:
        """What each request bears besides."""
        return {TENANT_HEADER: self.tenant} if self.tenant else {}

    def tls_context(self) -> ssl.SSLContext:
        """Believes the CA file's certificates, or the usual ones, and shows the client's certificate.

        Raises:
            SourceError: names the file that can't be used.
        """
        context = httpx.create_ssl_context()
        if self.ca_file:
            with self.naming("ca_file"):
                context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file:
            with self.naming("key_file" if self.key_file else "certificate_file"):
                context.load_cert_chain(self.certificate_file, self.key_file or None, _NO_PASS_PHRASE)
        return context

    @contextmanager
    def naming(self, field: str) -> Iterator[None]:
        """Faults with the file of *field* are told with the name of its setting."""
        file = getattr(self, field)
        try:
            yield
        except (OSError, ValueError) as error:  # an SSLError is an OSError; a text that is none a ValueError
            reason = getattr(error, "strerror", None) or str(error)
            message = f"PROMETHEUS_{field.upper()} is {file!r}, which can't be used: {reason}"
            raise SourceError("UnusableCredentials", message) from error

    def fingerprint(self) -> Fingerprint:
        """Changes when one of the TLS files does; empty where there are none, or one is away."""
        files = filter(None, (self.ca_file, self.certificate_file, self.key_file))
        try:
            states = [Path(file).stat() for file in files]
        except OSError:
            return ()
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)


class _SecretFromFile(httpx.Auth):
    """A bearer token, or a user's password, as it stands in its file by then."""

    def __init__(self, access: PrometheusCredentials) -> None:
        self._access = access

    def header(self) -> str:
        """The value of `Authorization`; raises SourceError."""
        field = "bearer_token_file" if self._access.bearer_token_file else "password_file"
        with self._access.naming(field):
            secret = Path(getattr(self._access, field)).read_text().strip()
            if not secret:
                raise ValueError("it is empty")
        if self._access.bearer_token_file:
            return f"Bearer {secret}"
        return f"Basic {b64encode(f'{self._access.username}:{secret}'.encode()).decode()}"

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Read the file for each request."""
        request.headers["Authorization"] = self.header()
        yield request

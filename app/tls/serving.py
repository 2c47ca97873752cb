"""The live TLS context of the webhook: its certificate, and whom it trusts, change while it serves."""

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import SettingsError
from app.tls.key_pairs import KeyPair

_NO_PASS_PHRASE = ""  # without an answer at hand OpenSSL asks the terminal for one, and waits


class UnusableCertificateError(Exception):
    """Certificates or a key that OpenSSL does not take."""


class ServingContext:
    """A context for a listener. Each handshake is passed on to the context that was made last.

    That one is made whole before it takes over: what fails to load never touches what is served, as a failed
    load into a live context would. With *client_authorities* (PEM) a client has to show a certificate that
    one of them signed.
    """

    def __init__(self, client_authorities: bytes | None = None) -> None:
        self.client_authorities = client_authorities
        self.context = _server_context(client_authorities)
        self.context.sni_callback = self._pass_on
        self._current: ssl.SSLContext | None = None
        self.loaded: KeyPair | None = None
        self.when_loaded: Callable[[], None] = lambda: None

    def load(self, pair: KeyPair) -> None:
        """Serve *pair* to all later connections.

        Raises:
            UnusableCertificateError: the pair can't be served; the one before stays.
        """
        if pair != self.loaded:
            self._current = _serving(pair, self.client_authorities)
            self.loaded = pair
            self.when_loaded()

    def trust_clients(self, authorities: bytes) -> None:
        """Ask all later clients for certificates of *authorities* (PEM), and of no others.

        Raises:
            UnusableCertificateError: there is no certificate in it; those before stay.
        """
        assert self.client_authorities is not None, "a listener that asked for no certificate can't begin to"
        _server_context(authorities)
        if self.loaded:
            self._current = _serving(self.loaded, authorities)
        self.client_authorities = authorities

    def _pass_on(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        """Called in each handshake, whether or not the client named a server."""
        if self._current is None:
            return ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR
        handshake.context = self._current
        return None


def open_serving_context(client_ca_file: str, client_names: tuple[str, ...] = ()) -> ServingContext:
    """The context of the webhook's listener; with a file, clients have to show a certificate.

    Raises:
        SettingsError: the file can't be used, or names are given though no client is asked for one.
    """
    if not client_ca_file:
        if client_names:
            given = f"CLIENT_NAMES (--client-names) is {','.join(client_names)!r}"
            raise SettingsError([f"{given}: give CLIENT_CA_FILE too, or no client is asked for its name"])
        return ServingContext()
    try:
        return ServingContext(Path(client_ca_file).read_bytes())
    except (OSError, UnusableCertificateError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError([f"CLIENT_CA_FILE (--client-ca-file) is {client_ca_file!r}: {reason}"]) from error


def _serving(pair: KeyPair, client_authorities: bytes | None) -> ssl.SSLContext:
    context = _server_context(client_authorities)
    with _readable_file(pair.certificate + b"\n" + pair.private_key) as path:
        try:
            context.load_cert_chain(path, password=_NO_PASS_PHRASE)
        except ssl.SSLError as error:
            raise UnusableCertificateError(f"the certificate can't be served: {error}") from error
    return context


def _server_context(client_authorities: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    if client_authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        # A resumed session is not asked again, though the authorities may have changed; only with TLS 1.3
        # (which every API server speaks) can a server keep sessions from being resumed.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        try:
            context.load_verify_locations(cadata=client_authorities.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise UnusableCertificateError(f"no certificate can be read from it: {error}") from error
    return context


@contextmanager
def _readable_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can read *content* from; in memory where the system can, so no key meets a disk."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("serving-certificate"), "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:
            named.write(content)
            named.flush()
            yield named.name

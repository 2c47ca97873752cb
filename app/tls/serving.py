"""The webhook's live TLS context: serving certificate and client CAs can change while it serves."""

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import SettingsError
from app.small_files import read_small_file
from app.tls.key_pairs import KeyPair

_NO_PASS_PHRASE = ""  # without it OpenSSL prompts for one on the terminal and blocks


class UnusableCertificateError(Exception):
    """Certificates or a key that OpenSSL rejects."""


class ServingContext:
    """The TLS context of a listener; each handshake uses the inner context that was built last.

    An inner context is complete before it is used, so that a failed load changes nothing; in a live context
    it would break all handshakes. With *client_authorities* (PEM) each client needs a certificate that one of
    them signed.
    """

    def __init__(self, client_authorities: bytes | None = None) -> None:
        self.client_authorities = client_authorities
        self.context = _server_context(client_authorities)
        self.context.sni_callback = self._select_context
        self._current: ssl.SSLContext | None = None
        self.loaded: KeyPair | None = None
        self.on_load: Callable[[], None] = lambda: None

    def load(self, pair: KeyPair) -> None:
        """Serve *pair* on all later connections.

        Raises:
            UnusableCertificateError: the pair can't be served; the previous one is kept.
        """
        if pair != self.loaded:
            self._current = _pair_context(pair, self.client_authorities)
            self.loaded = pair
            self.on_load()

    def replace_client_authorities(self, authorities: bytes) -> None:
        """On all later connections, accept client certificates of *authorities* (PEM) only.

        Raises:
            UnusableCertificateError: there is no certificate in it; the previous ones are kept.
        """
        assert self.client_authorities is not None, "client certificates can't be required later on"
        _server_context(authorities)
        if self.loaded:
            self._current = _pair_context(self.loaded, authorities)
        self.client_authorities = authorities

    def _select_context(
        self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        """Called in each handshake, also without SNI."""
        if self._current is None:
            return ssl.AlertDescription.ALERT_DESCRIPTION_INTERNAL_ERROR
        handshake.context = self._current
        return None


def open_serving_context(client_ca_file: str, client_names: tuple[str, ...] = ()) -> ServingContext:
    """The TLS context of the webhook's listener; with *client_ca_file*, clients need a certificate.

    Raises:
        SettingsError: the file can't be used, or there are *client_names* without a file.
    """
    if not client_ca_file:
        if client_names:
            setting = f"CLIENT_NAMES (--client-names) is {','.join(client_names)!r}"
            raise SettingsError([f"{setting}: set CLIENT_CA_FILE (--client-ca-file) too"])
        return ServingContext()
    try:
        return ServingContext(read_small_file(client_ca_file))
    except (OSError, UnusableCertificateError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError([f"CLIENT_CA_FILE (--client-ca-file) is {client_ca_file!r}: {reason}"]) from error


def _pair_context(pair: KeyPair, client_authorities: bytes | None) -> ssl.SSLContext:
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
        # A resumed session is not verified again, although the CAs may have changed. Only in TLS 1.3, which
        # every API server supports, can a server turn session resumption off.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        try:
            context.load_verify_locations(cadata=client_authorities.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise UnusableCertificateError(f"no certificate can be read from it: {error}") from error
    return context


@contextmanager
def _readable_file(content: bytes) -> Iterator[str]:
    """A path with *content* for OpenSSL; in memory if the system supports it, so that no key is on a disk."""
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

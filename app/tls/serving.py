"""The live TLS context of the webhook: its certificate changes while it serves."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from app.tls.issuing import KeyPair

_NO_PASS_PHRASE = ""  # without an answer at hand OpenSSL asks the terminal for one, and waits


class UnusableCertificateError(Exception):
    """A certificate and key that OpenSSL does not take."""


class ServingContext:
    """A context that new connections are served with; `load` swaps the certificate for all later ones."""

    def __init__(self) -> None:
        self.context = _server_context()
        self.loaded: KeyPair | None = None

    def load(self, pair: KeyPair) -> None:
        """Serve *pair* from now on.

        It is tried on a scratch context first: a failed load leaves a live context unable to serve at all.

        Raises:
            UnusableCertificateError: the pair can't be served; the one before stays.
        """
        if pair == self.loaded:
            return
        with _readable_file(pair.certificate + b"\n" + pair.private_key) as path:
            try:
                _server_context().load_cert_chain(path, password=_NO_PASS_PHRASE)
            except ssl.SSLError as error:
                raise UnusableCertificateError(f"the certificate can't be served: {error}") from error
            self.context.load_cert_chain(path, password=_NO_PASS_PHRASE)
        self.loaded = pair


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
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

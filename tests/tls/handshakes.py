"""TLS handshakes in memory, with a client that trusts the given authorities and verifies everything."""

import ssl

from cryptography import x509

from app.tls.key_pairs import KeyPair
from app.tls.serving import ServingContext


def strict_client(authority_pem: bytes) -> ssl.SSLContext:
    """A client context in the strictest mode of OpenSSL for the contents of certificates."""
    context = ssl.create_default_context(cadata=authority_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def served_certificate(
    server: ssl.SSLContext, authority_pem: bytes, name: str, context: ssl.SSLContext | None = None
) -> x509.Certificate:
    """The certificate that *server* presents for *name*; raises ssl.SSLError if the client rejects it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = context or strict_client(authority_pem)
    client = trusting.wrap_bio(to_client, to_server, server_hostname=name)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = client.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown)


def handshake(pair: KeyPair, authority_pem: bytes, name: str) -> x509.Certificate:
    """The same with a server that serves *pair*."""
    serving = ServingContext()
    serving.load(pair)
    return served_certificate(serving.context, authority_pem, name)

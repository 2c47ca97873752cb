"""Client certificates like those of an API server, and requests that use them."""

import http.client
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.tls.key_pairs import KeyPair, parse_certificates
from tests.tls.handshakes import strict_client


def client_certificate(authority: KeyPair, common_name: str) -> bytes:
    """A client's certificate and key, signed by *authority*, as one PEM text."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    signing_key = load_pem_private_key(authority.private_key, None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(parse_certificates(authority.certificate)[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + private_key


class Client:
    """Trusts the webhook's authority; presents a client certificate if it has one."""

    def __init__(self, trusted: KeyPair, directory: Path, shown: bytes = b"") -> None:
        self.context = strict_client(trusted.certificate)
        if shown:
            file = directory / "client.pem"
            file.write_bytes(shown)
            self.context.load_cert_chain(file)

    def post(self, port: int, body: bytes = b"{}") -> tuple[int, bytes]:
        """Status and body of the response, on a new connection."""
        with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=self.context)) as to:
            to.request("POST", "/mutate", body)
            answer = to.getresponse()
            return answer.status, answer.read()

    def is_served(self, port: int) -> bool:
        """True if the request gets a response; False if the connection is rejected before the request."""
        try:
            return self.post(port)[0] == 200
        except (ssl.SSLError, ConnectionError):
            return False

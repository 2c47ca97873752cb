"""Issues a certificate authority and serving certificates: ECDSA P-256, as PEM text; pure.

Keys and serial numbers are an argument, so that a run can be repeated. Only the signatures differ.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Protocol

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

AUTHORITY_LIFETIME = timedelta(days=365)
SERVING_LIFETIME = timedelta(days=7)
# The leader's clock may be ahead of the API servers', which reject a certificate that is not valid yet; an
# hour is the usual fault of a machine with a wrong time zone.
BACKDATED = timedelta(hours=1)


class KeySource(Protocol):
    """The random parts of a certificate."""

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """A new private key on the curve P-256."""

    def serial_number(self) -> int:
        """A positive number of at most 159 bits (RFC 5280, section 4.1.2.2)."""


def issue_authority(keys: KeySource, now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> KeyPair:
    """A new self-signed certificate authority."""
    key = keys.private_key()
    name = _name("job-profiler webhook authority")
    certificate = (
        _builder(name, name, key, now, now + lifetime)
        .serial_number(keys.serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _key_pair(certificate, key)


def issue_serving_certificate(
    keys: KeySource,
    authority: KeyPair,
    names: tuple[str, ...],
    now: datetime,
    lifetime: timedelta = SERVING_LIFETIME,
) -> KeyPair:
    """A certificate for the DNS names and IP addresses in *names*; expires no later than *authority*."""
    key = keys.private_key()
    issuer = parse_certificates(authority.certificate)[0]
    signing_key = load_pem_private_key(authority.private_key, password=None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    until = min(now + lifetime, issuer.not_valid_after_utc)
    certificate = (
        _builder(_name("job-profiler webhook"), issuer.subject, key, now, until)
        .serial_number(keys.serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
        .sign(signing_key, hashes.SHA256())
    )
    return _key_pair(certificate, key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .not_valid_before(now.astimezone(UTC) - BACKDATED)
        .not_valid_after(until.astimezone(UTC))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)

"""A certificate authority and serving certificates by ECDSA P-256, as PEM text."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=365)
SERVING_LIFETIME = timedelta(days=7)
_BACKDATED = timedelta(minutes=5)  # clocks of API servers may lag behind ours


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (PEM; for an authority possibly followed by older ones that still count) and its key."""

    certificate: bytes
    private_key: bytes = field(repr=False)  # it must not end up in a log


def issue_authority(now: datetime) -> KeyPair:
    """A new self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("job-profiler webhook authority")
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _key_pair(certificate, key)


def issue_serving_certificate(authority: KeyPair, names: tuple[str, ...], now: datetime) -> KeyPair:
    """A certificate for the DNS names and IP addresses in *names*, signed by the newest of *authority*."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = parse_certificates(authority.certificate)[0]
    signing_key = load_pem_private_key(authority.private_key, password=None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    certificate = (
        _builder(_name("job-profiler webhook"), issuer.subject, key, now, SERVING_LIFETIME)
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


def authority_renewal_reason(authority: KeyPair | None, now: datetime) -> str | None:
    """Why a new authority is needed, or None."""
    if reason := _pair_renewal_reason(authority, now):
        return reason
    assert authority is not None
    if not _may_sign(parse_certificates(authority.certificate)[0]):
        return "it is not an ECDSA certificate authority"
    return None


def serving_renewal_reason(
    serving: KeyPair | None, authority: KeyPair, names: tuple[str, ...], now: datetime
) -> str | None:
    """Why a new serving certificate is needed, or None."""
    if reason := _pair_renewal_reason(serving, now):
        return reason
    assert serving is not None
    certificate = parse_certificates(serving.certificate)[0]
    try:
        certificate.verify_directly_issued_by(parse_certificates(authority.certificate)[0])
    except (ValueError, TypeError, InvalidSignature):
        return "it was not signed by the current authority"
    if set(_names_of(certificate)) != {str(_general_name(name).value) for name in names}:
        return "its names are not those that are configured"
    return None


def trusted_bundle(authority: KeyPair, now: datetime) -> bytes:
    """Every certificate of *authority* that has not expired: what the API server is told to trust."""
    certificates = parse_certificates(authority.certificate)
    return b"".join(
        certificate.public_bytes(Encoding.PEM)
        for certificate in certificates
        if certificate.not_valid_after_utc > now
    )


def parse_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates in *pem*; none where it holds none that can be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def expires_at(pair: KeyPair) -> datetime | None:
    """When the first certificate of *pair* expires."""
    certificates = parse_certificates(pair.certificate)
    return certificates[0].not_valid_after_utc if certificates else None


def _pair_renewal_reason(pair: KeyPair | None, now: datetime) -> str | None:
    """Missing, unreadable, not belonging together, or past two thirds of its life."""
    if pair is None:
        return "there is none yet"
    certificates = parse_certificates(pair.certificate)
    if not certificates:
        return "its certificate can't be read"
    try:
        key = load_pem_private_key(pair.private_key, password=None)
    except (ValueError, TypeError):
        return "its private key can't be read"
    certificate = certificates[0]
    if key.public_key() != certificate.public_key():
        return "its certificate and private key do not belong together"
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if now >= certificate.not_valid_before_utc + lifetime * 2 / 3:
        return f"it expires on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return None


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _BACKDATED)
        .not_valid_after(now.astimezone(UTC) + lifetime)
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


def _names_of(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    dns: list[str] = extension.value.get_values_for_type(x509.DNSName)
    addresses: list[IPv4Address | IPv6Address] = extension.value.get_values_for_type(x509.IPAddress)  # type: ignore[assignment]  # networks never stand here
    return dns + [str(address) for address in addresses]

"""Renewal times and renewal reasons of certificates; pure."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from app.tls.issuing import BACKDATED
from app.tls.key_pairs import KeyPair, certificate_of, public_key_of

_RENEWAL_SHARE = 2 / 3  # of the lifetime
_JITTER_SHARE = 0.05  # of the lifetime, so that clusters installed together renew at different times
_JITTER_STEPS = 1000


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """True if the key of *authority* signed *certificate*."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """True if *now* is within the validity period."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def names_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names of *certificate*, then its IP addresses."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    dns: list[str] = extension.value.get_values_for_type(x509.DNSName)
    addresses: list[IPv4Address | IPv6Address] = extension.value.get_values_for_type(x509.IPAddress)  # type: ignore[assignment]  # networks do not occur here
    return dns + [str(address) for address in addresses]


def renewal_due(certificate: x509.Certificate) -> datetime:
    """The time of renewal: after 2/3 of the lifetime, less up to 5 % of it, derived from the serial number.

    The lifetime begins at the time of issue, which is `BACKDATED` after the begin of validity.
    """
    issued_at = certificate.not_valid_before_utc + BACKDATED
    jitter = _JITTER_SHARE * (certificate.serial_number % _JITTER_STEPS) / _JITTER_STEPS
    return issued_at + (certificate.not_valid_after_utc - issued_at) * (_RENEWAL_SHARE - jitter)


def authority_renewal_reason(authority: KeyPair | None, now: datetime) -> str | None:
    """The reason for a new CA; None if none is needed."""
    if reason := _pair_renewal_reason(authority, now):
        return reason
    certificate = certificate_of(authority)
    if certificate is None or not _can_sign(certificate):
        return "it is not an ECDSA certificate authority"
    return None


def serving_renewal_reason(
    serving: KeyPair | None, signer: KeyPair, names: tuple[str, ...], now: datetime
) -> str | None:
    """The reason for *signer* to issue a new serving certificate; None if none is needed."""
    if reason := _pair_renewal_reason(serving, now):
        return reason
    certificate, authority = certificate_of(serving), certificate_of(signer)
    assert certificate
    assert authority
    if not is_issued_by(certificate, authority):
        return "it was not signed by the current authority"
    if set(names_of(certificate)) != {_normalize(name) for name in names}:
        return "its names differ from the configured names"
    return None


def _pair_renewal_reason(pair: KeyPair | None, now: datetime) -> str | None:
    """The reason to replace *pair*: missing, unreadable, mismatched, due for renewal, or not valid yet."""
    if pair is None:
        return "it does not exist yet"
    certificate = certificate_of(pair)
    if certificate is None:
        return "its certificate can't be read"
    key = public_key_of(pair.private_key)
    if key is None:
        return "its private key can't be read"
    if key != certificate.public_key():
        return "its certificate and private key do not match"
    return _age_reason(certificate, now)


def _age_reason(certificate: x509.Certificate, now: datetime) -> str | None:
    if now < certificate.not_valid_before_utc:
        return f"it is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if now >= renewal_due(certificate):
        return f"it expires on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return None


def _can_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def _normalize(name: str) -> str:
    """The name as it is in a certificate; an IP address has a canonical form there."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name

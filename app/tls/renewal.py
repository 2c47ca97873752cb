"""What certificates say, and when each is due for renewal; pure.

A Secret may hold several authorities, the newest first: the certificates as one text, their keys as another.
"""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from app.tls.issuing import BACKDATED
from app.tls.key_pairs import KeyPair, certificate_of, public_key_of

_RENEWED_AT = 2 / 3
_JITTER = 0.05  # of a life: the clusters of one roll-out do not all renew in the same second
_JITTER_STEPS = 1000


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """True where the key of *authority* signed *certificate*."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """True within its life."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def names_of(certificate: x509.Certificate) -> list[str]:
    """Its DNS names, then its IP addresses."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    dns: list[str] = extension.value.get_values_for_type(x509.DNSName)
    addresses: list[IPv4Address | IPv6Address] = extension.value.get_values_for_type(x509.IPAddress)  # type: ignore[assignment]  # networks never stand here
    return dns + [str(address) for address in addresses]


def renewal_due(certificate: x509.Certificate) -> datetime:
    """After two thirds of its life, less up to 5 %: how much, its serial number decides once for all.

    Its life begins when it was issued; it is valid from `BACKDATED` before that.
    """
    issued = certificate.not_valid_before_utc + BACKDATED
    earlier = _JITTER * (certificate.serial_number % _JITTER_STEPS) / _JITTER_STEPS
    return issued + (certificate.not_valid_after_utc - issued) * (_RENEWED_AT - earlier)


def authority_renewal_reason(authority: KeyPair | None, now: datetime) -> str | None:
    """Why a new authority is needed, or None."""
    if reason := _pair_renewal_reason(authority, now):
        return reason
    certificate = certificate_of(authority)
    if certificate is None or not _may_sign(certificate):
        return "it is not an ECDSA certificate authority"
    return None


def serving_renewal_reason(
    serving: KeyPair | None, signer: KeyPair, names: tuple[str, ...], now: datetime
) -> str | None:
    """Why *signer* has to issue a new serving certificate, or None."""
    if reason := _pair_renewal_reason(serving, now):
        return reason
    certificate, authority = certificate_of(serving), certificate_of(signer)
    assert certificate
    assert authority
    if not is_issued_by(certificate, authority):
        return "it was not signed by the current authority"
    if set(names_of(certificate)) != {_spelled(name) for name in names}:
        return "its names are not those that are configured"
    return None


def _pair_renewal_reason(pair: KeyPair | None, now: datetime) -> str | None:
    """Missing, unreadable, not belonging together, past two thirds of its life, or not valid yet."""
    if pair is None:
        return "there is none yet"
    certificate = certificate_of(pair)
    if certificate is None:
        return "its certificate can't be read"
    key = public_key_of(pair.private_key)
    if key is None:
        return "its private key can't be read"
    if key != certificate.public_key():
        return "its certificate and private key do not belong together"
    return _age_reason(certificate, now)


def _age_reason(certificate: x509.Certificate, now: datetime) -> str | None:
    if now < certificate.not_valid_before_utc:
        return f"it is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only"
    if now >= renewal_due(certificate):
        return f"it expires on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return None


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def _spelled(name: str) -> str:
    """The name as a certificate holds it: an IP address has one spelling there."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name

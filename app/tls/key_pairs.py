"""Certificates and private keys as PEM, and their storage in Secrets of type kubernetes.io/tls; pure.

A Secret may hold several CAs, newest first: all certificates in one text, all keys in another.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

# Base64 has no `-`: a search that passed over one would take minutes for a text of beginnings without ends.
_PRIVATE_KEY_PEM = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]*-----END \1-----")
# 300 certificates are parsed in 0.1 s; two or three are stored.
_MAX_PEM_BYTES = 256 * 1024
_CERTIFICATE, _KEY, _REPLACED = "tls.crt", "tls.key", "replaced.crt"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, both PEM; the key is empty if it is missing."""

    certificate: bytes
    private_key: bytes = field(repr=False)  # keeps the key out of logs


def parse_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates in *pem*; empty if it can't be parsed, or is too large."""
    if len(pem) > _MAX_PEM_BYTES:
        return []
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def to_pem(certificates: list[x509.Certificate]) -> bytes:
    """*certificates* as PEM text; the inverse of `parse_certificates`."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def certificate_of(pair: KeyPair | None) -> x509.Certificate | None:
    """The first certificate of *pair*; None if there is none or it can't be parsed."""
    return next(iter(parse_certificates(pair.certificate)), None) if pair else None


def concatenate(pairs: list[KeyPair]) -> KeyPair:
    """*pairs* as one pair: one text of all certificates, one of all keys."""
    return KeyPair(b"".join(pair.certificate for pair in pairs), b"".join(pair.private_key for pair in pairs))


def split(pair: KeyPair) -> list[KeyPair]:
    """Each certificate of *pair* with its key, which is empty if it is missing; reverses `concatenate`."""
    stored = pair.private_key[:_MAX_PEM_BYTES]
    private_keys = [match[0] + b"\n" for match in _PRIVATE_KEY_PEM.finditer(stored)]
    keys = {_encode(public): key for key in private_keys if (public := public_key_of(key))}
    return [
        KeyPair(to_pem([certificate]), keys.get(_encode(certificate.public_key()), b""))
        for certificate in parse_certificates(pair.certificate)
    ]


def key_pair_of(data: Mapping[str, bytes]) -> KeyPair | None:
    """The pair in a Secret's *data*; None if certificate or key is missing."""
    certificate, key = data.get(_CERTIFICATE), data.get(_KEY)
    return KeyPair(certificate, key) if certificate and key else None


def replaced_certificates(data: Mapping[str, bytes]) -> bytes:
    """The formerly served certificates in a Secret's *data* that had not expired when it was written."""
    return data.get(_REPLACED, b"")


def to_secret_data(pair: KeyPair, replaced: bytes = b"") -> dict[str, bytes]:
    """A Secret's data with *pair* and the certificates that it *replaced*; see `key_pair_of`."""
    data = {_CERTIFICATE: pair.certificate, _KEY: pair.private_key}
    return data | ({_REPLACED: replaced} if replaced else {})


def public_key_of(private_key: bytes) -> PublicKeyTypes | None:
    """The public key of a PEM private key; None if it can't be parsed."""
    try:
        return load_pem_private_key(private_key, password=None).public_key()
    except (ValueError, TypeError):
        return None


def _encode(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

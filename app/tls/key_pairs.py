"""Certificates and private keys as PEM, and how Secrets of type kubernetes.io/tls hold them; pure.

A Secret may hold several authorities, newest first: the certificates as one text, their keys as another.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_PRIVATE_KEY_PEM = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATE, _KEY, _REPLACED = "tls.crt", "tls.key", "replaced.crt"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, both PEM; the key is empty where it is not known."""

    certificate: bytes
    private_key: bytes = field(repr=False)  # it must not end up in a log


def parse_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates in *pem*; none where it holds none that can be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def pem_of(certificates: list[x509.Certificate]) -> bytes:
    """The text that *certificates* are read back from."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def certificate_of(pair: KeyPair | None) -> x509.Certificate | None:
    """The first certificate of *pair*; None where none can be read."""
    return next(iter(parse_certificates(pair.certificate)), None) if pair else None


def joined(pairs: list[KeyPair]) -> KeyPair:
    """All *pairs* as one text of certificates and one of keys."""
    return KeyPair(b"".join(pair.certificate for pair in pairs), b"".join(pair.private_key for pair in pairs))


def separated(pair: KeyPair) -> list[KeyPair]:
    """Each certificate of *pair* with the key that belongs to it; with no key where none does."""
    found = [match[0] + b"\n" for match in _PRIVATE_KEY_PEM.finditer(pair.private_key)]
    keys = {_encoded(public): key for key in found if (public := public_key_of(key))}
    return [
        KeyPair(pem_of([certificate]), keys.get(_encoded(certificate.public_key()), b""))
        for certificate in parse_certificates(pair.certificate)
    ]


def key_pair_of(data: Mapping[str, bytes]) -> KeyPair | None:
    """The pair in *data*, or None while one half of it is missing."""
    certificate, key = data.get(_CERTIFICATE), data.get(_KEY)
    return KeyPair(certificate, key) if certificate and key else None


def replaced_in(data: Mapping[str, bytes]) -> bytes:
    """The certificates that were served before and had not expired when the pair was written."""
    return data.get(_REPLACED, b"")


def data_of(pair: KeyPair, replaced: bytes = b"") -> dict[str, bytes]:
    """The data that *pair*, and what it *replaced*, are read back from."""
    data = {_CERTIFICATE: pair.certificate, _KEY: pair.private_key}
    return data | ({_REPLACED: replaced} if replaced else {})


def public_key_of(private_key: bytes) -> PublicKeyTypes | None:
    """The public key of a PEM private key; None if it cannot be read."""
    try:
        return load_pem_private_key(private_key, password=None).public_key()
    except (ValueError, TypeError):
        return None


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

"""A key pair as the data of a Secret, by the keys of type kubernetes.io/tls, which cert-manager uses too."""

from collections.abc import Mapping

from app.tls.issuing import KeyPair

_CERTIFICATE, _PRIVATE_KEY = "tls.crt", "tls.key"


def key_pair_of(data: Mapping[str, bytes]) -> KeyPair | None:
    """The pair in *data*, or None while one half of it is missing."""
    certificate, key = data.get(_CERTIFICATE), data.get(_PRIVATE_KEY)
    return KeyPair(certificate, key) if certificate and key else None


def data_of(pair: KeyPair) -> dict[str, bytes]:
    """The data that *pair* is read back from."""
    return {_CERTIFICATE: pair.certificate, _PRIVATE_KEY: pair.private_key}

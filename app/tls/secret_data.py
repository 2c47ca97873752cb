"""What the two Secrets hold, by the keys of type kubernetes.io/tls, which cert-manager uses too."""

from collections.abc import Mapping

from app.tls.issuing import KeyPair

_CERTIFICATE, _PRIVATE_KEY, _REPLACED = "tls.crt", "tls.key", "replaced.crt"


def key_pair_of(data: Mapping[str, bytes]) -> KeyPair | None:
    """The pair in *data*, or None while one half of it is missing."""
    certificate, key = data.get(_CERTIFICATE), data.get(_PRIVATE_KEY)
    return KeyPair(certificate, key) if certificate and key else None


def replaced_in(data: Mapping[str, bytes]) -> bytes:
    """The certificates that were served before and had not expired when the pair was written."""
    return data.get(_REPLACED, b"")


def data_of(pair: KeyPair, replaced: bytes = b"") -> dict[str, bytes]:
    """The data that *pair*, and what it *replaced*, are read back from."""
    data = {_CERTIFICATE: pair.certificate, _PRIVATE_KEY: pair.private_key}
    return data | ({_REPLACED: replaced} if replaced else {})

"""Certificate authorities and serving certificates for tests, issued from random or seeded keys."""

import base64
from datetime import UTC, datetime, timedelta
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec

from app.tls import issuing
from app.tls.issuing import AUTHORITY_LIFETIME, SERVING_LIFETIME
from app.tls.key_pairs import KeyPair
from app.tls.random_keys import RandomKeys

KEYS = RandomKeys()
_SCALAR_BITS, _SERIAL_BITS = 250, 158


class SeededKeys:
    """The same keys and serial numbers in every run with the same *random*; for tests only."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """A private key on the curve P-256."""
        return ec.derive_private_key(1 + self._random.getrandbits(_SCALAR_BITS), ec.SECP256R1())

    def serial_number(self) -> int:
        """A positive number."""
        return 1 + self._random.getrandbits(_SERIAL_BITS)


def issue_authority(now: datetime, lifetime: timedelta = AUTHORITY_LIFETIME) -> KeyPair:
    """A certificate authority with a random key."""
    return issuing.issue_authority(KEYS, now, lifetime)


def foreign_bundle() -> str:
    """A `caBundle`, in base64, of an authority that signed nothing."""
    return base64.b64encode(issue_authority(datetime.now(UTC)).certificate).decode()


def issue_serving_certificate(
    authority: KeyPair, names: tuple[str, ...], now: datetime, lifetime: timedelta = SERVING_LIFETIME
) -> KeyPair:
    """A serving certificate of *authority* with a random key."""
    return issuing.issue_serving_certificate(KEYS, authority, names, now, lifetime)

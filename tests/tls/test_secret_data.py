"""A key pair in a Secret."""

import pytest

from app.tls.issuing import KeyPair
from app.tls.secret_data import data_of, key_pair_of

PAIR = KeyPair(b"certificate", b"key")


def test_a_pair_is_read_back_from_its_data() -> None:
    """Under the keys of type kubernetes.io/tls, so that what cert-manager wrote is read alike."""
    assert data_of(PAIR) == {"tls.crt": b"certificate", "tls.key": b"key"}
    assert key_pair_of(data_of(PAIR) | {"ca.crt": b"authority"}) == PAIR


@pytest.mark.parametrize(
    "data",
    [{}, {"tls.crt": b"certificate"}, {"tls.key": b"key"}, {"tls.crt": b"certificate", "tls.key": b""}],
)
def test_half_a_pair_is_none(data: dict[str, bytes]) -> None:
    """As in a Secret that the chart rendered empty."""
    assert key_pair_of(data) is None

"""A key pair in a Secret."""

import pytest

from app.tls.key_pairs import KeyPair, key_pair_of, replaced_certificates, to_secret_data

PAIR = KeyPair(b"certificate", b"key")


def test_a_pair_is_read_back_from_its_data() -> None:
    """Under the keys of type kubernetes.io/tls, so that what cert-manager wrote is read alike."""
    assert to_secret_data(PAIR) == {"tls.crt": b"certificate", "tls.key": b"key"}
    assert key_pair_of(to_secret_data(PAIR) | {"ca.crt": b"authority"}) == PAIR


@pytest.mark.parametrize(
    "data",
    [{}, {"tls.crt": b"certificate"}, {"tls.key": b"key"}, {"tls.crt": b"certificate", "tls.key": b""}],
)
def test_half_a_pair_is_none(data: dict[str, bytes]) -> None:
    """As in a Secret that the chart rendered empty."""
    assert key_pair_of(data) is None


def test_what_was_replaced_is_kept_beside_the_pair() -> None:
    """Under a key of its own, which is left out where nothing was replaced."""
    data = to_secret_data(PAIR, b"replaced")

    assert data == to_secret_data(PAIR) | {"replaced.crt": b"replaced"}
    assert (key_pair_of(data), replaced_certificates(data), replaced_certificates(to_secret_data(PAIR))) == (
        PAIR,
        b"replaced",
        b"",
    )

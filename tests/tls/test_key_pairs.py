"""The encoding of a key pair in a Secret."""

import pytest

from app.tls.key_pairs import KeyPair, key_pair_of, replaced_certificates, to_secret_data

PAIR = KeyPair(b"certificate", b"key")


def test_a_pair_is_read_back_from_its_data() -> None:
    """The keys are those of type kubernetes.io/tls, so Secrets written by cert-manager are read too."""
    assert to_secret_data(PAIR) == {"tls.crt": b"certificate", "tls.key": b"key"}
    assert key_pair_of(to_secret_data(PAIR) | {"ca.crt": b"authority"}) == PAIR


@pytest.mark.parametrize(
    "data",
    [{}, {"tls.crt": b"certificate"}, {"tls.key": b"key"}, {"tls.crt": b"certificate", "tls.key": b""}],
)
def test_half_a_pair_is_none(data: dict[str, bytes]) -> None:
    """An empty value, as in the Secret that the chart renders, gives no pair."""
    assert key_pair_of(data) is None


def test_replaced_authorities_are_stored_beside_the_pair() -> None:
    """Replaced authorities are under a separate key, which is absent if there are none."""
    data = to_secret_data(PAIR, b"replaced")

    assert data == to_secret_data(PAIR) | {"replaced.crt": b"replaced"}
    assert (key_pair_of(data), replaced_certificates(data), replaced_certificates(to_secret_data(PAIR))) == (
        PAIR,
        b"replaced",
        b"",
    )

"""Secrets with garbage in place of certificates and keys: read in milliseconds, and nothing is found."""

import time

import pytest

from app.tls.key_pairs import KeyPair, parse_certificates, split

BEGIN_CERTIFICATE, BEGIN_KEY = b"-----BEGIN CERTIFICATE-----", b"-----BEGIN PRIVATE KEY-----"


@pytest.mark.parametrize(
    "pair",
    [
        KeyPair(BEGIN_CERTIFICATE * 5000, BEGIN_KEY * 5000),
        KeyPair(b"A" * 1_000_000, b"B" * 1_000_000),
        KeyPair(b"\xff\x00", b"\xfe"),
    ],
    ids=["beginnings", "letters", "bytes"],
)
def test_garbage_holds_up_no_renewal_of_the_lease(pair: KeyPair) -> None:
    """5,000 beginnings without an end took seconds, and those of a whole Secret ten minutes."""
    began = time.thread_time()

    assert parse_certificates(pair.certificate) == split(pair) == []
    assert time.thread_time() - began < 1

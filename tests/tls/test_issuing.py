"""The contents of issued certificates."""

import ssl
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.tls.key_pairs import KeyPair, parse_certificates
from tests.tls.handshakes import handshake
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("job-profiler.profiling.svc", "job-profiler.profiling.svc.cluster.local", "127.0.0.1", "::1")
AUTHORITY = issue_authority(NOW)
SERVING = issue_serving_certificate(AUTHORITY, NAMES, NOW)


def certificate(pair: KeyPair) -> x509.Certificate:
    return parse_certificates(pair.certificate)[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_accepts_every_name(name: str) -> None:
    """DNS names, IPv4 and IPv6 addresses, verified by OpenSSL in its strict mode."""
    assert handshake(SERVING, AUTHORITY.certificate, name) == certificate(SERVING)


@pytest.mark.parametrize(
    ("name", "authority"),
    [("other.profiling.svc", AUTHORITY), ("127.0.0.2", AUTHORITY), (NAMES[0], issue_authority(NOW))],
    ids=["another-name", "another-address", "another-authority-of-the-same-name"],
)
def test_another_name_or_authority_is_rejected(name: str, authority: KeyPair) -> None:
    """A name that is not in the certificate, and an authority that did not sign it."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(SERVING, authority.certificate, name)


def test_addresses_stand_as_addresses_and_names_as_names() -> None:
    """Clients look for an IP address only among the certificate's IP addresses."""
    names = certificate(SERVING).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == list(NAMES[:2])
    assert names.get_values_for_type(x509.IPAddress) == [ip_address(name) for name in NAMES[2:]]


@pytest.mark.parametrize(("pair", "days"), [(AUTHORITY, 365), (SERVING, 7)], ids=["authority", "serving"])
def test_lifetimes_and_backdating(pair: KeyPair, days: int) -> None:
    """365 and 7 days from now, valid since an hour ago, because the leader's clock may be ahead."""
    found = certificate(pair)

    assert found.not_valid_after_utc == NOW + timedelta(days=days)
    assert found.not_valid_before_utc == NOW - timedelta(hours=1)


def test_the_zone_of_the_clock_does_not_matter() -> None:
    """14:00 at +02:00 is 12:00 UTC."""
    zone = timezone(timedelta(hours=2))

    issued = certificate(issue_authority(datetime(2026, 3, 1, 14, tzinfo=zone)))

    assert issued.not_valid_after_utc == datetime(2027, 3, 1, 12, tzinfo=UTC)


def test_the_authority_may_sign_and_the_serving_certificate_may_serve() -> None:
    """Basic constraints, key usages, extended key usage; both keys are ECDSA P-256."""
    authority, serving = certificate(AUTHORITY).extensions, certificate(SERVING).extensions
    may = [found.get_extension_for_class(x509.KeyUsage).value for found in (authority, serving)]
    limits = [found.get_extension_for_class(x509.BasicConstraints).value for found in (authority, serving)]

    assert [(usage.key_cert_sign, usage.crl_sign, usage.digital_signature) for usage in may] == [
        (True, True, True),
        (False, False, True),
    ]
    assert [(limit.ca, limit.path_length) for limit in limits] == [(True, 0), (False, None)]
    assert list(serving.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    for pair in (AUTHORITY, SERVING):
        key = certificate(pair).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)


def test_a_pair_does_not_show_its_key() -> None:
    """A log line or an error text with the pair does not show the private key."""
    assert "PRIVATE KEY" not in repr(SERVING)


def test_every_certificate_has_a_key_and_a_number_of_its_own() -> None:
    """Two certificates issued at the same time share neither key nor serial number."""
    other = issue_serving_certificate(AUTHORITY, NAMES, NOW)

    assert certificate(SERVING).public_key() != certificate(other).public_key()
    assert certificate(SERVING).serial_number != certificate(other).serial_number


def test_a_serving_certificate_never_outlives_its_authority() -> None:
    """Issued one hour before the authority expires, it is valid for that hour and not for 7 days."""
    later = NOW + timedelta(days=365, hours=-1)

    issued = certificate(issue_serving_certificate(AUTHORITY, NAMES, later))

    assert issued.not_valid_after_utc == NOW + timedelta(days=365)
    assert issued.not_valid_before_utc == later - timedelta(hours=1)


def test_a_leader_whose_clock_is_an_hour_ahead_issues_what_is_accepted() -> None:
    """A handshake by the clock of this machine accepts its authority and its certificate."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    authority = issue_authority(ahead)
    serving = issue_serving_certificate(authority, NAMES, ahead)

    assert handshake(serving, authority.certificate, NAMES[0]) == certificate(serving)


def test_lifetimes_can_be_given() -> None:
    """An authority of 90 s and a certificate of 30 s; both are backdated by an hour too."""
    authority = issue_authority(NOW, timedelta(seconds=90))
    serving = issue_serving_certificate(authority, NAMES, NOW, timedelta(seconds=30))

    for pair, seconds in ((authority, 90), (serving, 30)):
        assert certificate(pair).not_valid_after_utc == NOW + timedelta(seconds=seconds)
        assert certificate(pair).not_valid_before_utc == NOW - timedelta(hours=1)

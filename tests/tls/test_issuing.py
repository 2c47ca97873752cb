"""What is in the certificates, and when each is due for renewal."""

import ssl
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.tls.issuing import (
    KeyPair,
    authority_renewal_reason,
    expires_at,
    issue_authority,
    issue_serving_certificate,
    parse_certificates,
    serving_renewal_reason,
    trusted_bundle,
)
from tests.tls.handshakes import handshake

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("job-profiler.profiling.svc", "job-profiler.profiling.svc.cluster.local", "127.0.0.1", "::1")
AUTHORITY = issue_authority(NOW)
SERVING = issue_serving_certificate(AUTHORITY, NAMES, NOW)


def certificate(pair: KeyPair) -> x509.Certificate:
    return parse_certificates(pair.certificate)[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_accepts_every_name(name: str) -> None:
    """DNS names and addresses of both families, checked by OpenSSL in its strict mode."""
    assert handshake(SERVING, AUTHORITY.certificate, name) == certificate(SERVING)


@pytest.mark.parametrize(
    ("name", "authority"),
    [("other.profiling.svc", AUTHORITY), ("127.0.0.2", AUTHORITY), (NAMES[0], issue_authority(NOW))],
    ids=["another-name", "another-address", "another-authority-of-the-same-name"],
)
def test_nobody_else_is_trusted(name: str, authority: KeyPair) -> None:
    """A name that is not in it, and an authority that did not sign it."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(SERVING, authority.certificate, name)


def test_addresses_stand_as_addresses_and_names_as_names() -> None:
    """Clients look for an IP address among the addresses alone."""
    names = certificate(SERVING).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == list(NAMES[:2])
    assert names.get_values_for_type(x509.IPAddress) == [ip_address(name) for name in NAMES[2:]]


@pytest.mark.parametrize(("pair", "days"), [(AUTHORITY, 365), (SERVING, 7)], ids=["authority", "serving"])
def test_lifetimes_and_backdating(pair: KeyPair, days: int) -> None:
    """365 and 7 days from now on, and valid since 5 minutes ago: an API server's clock may lag behind."""
    found = certificate(pair)

    assert found.not_valid_after_utc == NOW + timedelta(days=days) == expires_at(pair)
    assert found.not_valid_before_utc == NOW - timedelta(minutes=5)


def test_the_zone_of_the_clock_does_not_matter() -> None:
    """14:00 at +02:00 is 12:00 UTC."""
    zone = timezone(timedelta(hours=2))

    assert expires_at(issue_authority(datetime(2026, 3, 1, 14, tzinfo=zone))) == datetime(
        2027, 3, 1, 12, tzinfo=UTC
    )


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
    """Whoever logs it, or an error that holds it, tells no secret."""
    assert "PRIVATE KEY" not in repr(SERVING)


def test_every_certificate_has_a_key_and_a_number_of_its_own() -> None:
    """Nothing is shared between two issued at the same moment, keys neither."""
    other = issue_serving_certificate(AUTHORITY, NAMES, NOW)

    assert certificate(SERVING).public_key() != certificate(other).public_key()
    assert certificate(SERVING).serial_number != certificate(other).serial_number


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        pytest.param(None, "there is none yet", id="none"),
        pytest.param(
            KeyPair(b"hello", AUTHORITY.private_key), "its certificate can't be read", id="certificate"
        ),
        pytest.param(
            KeyPair(AUTHORITY.certificate, b"hello"), "its private key can't be read", id="private-key"
        ),
        pytest.param(
            KeyPair(AUTHORITY.certificate, SERVING.private_key),
            "its certificate and private key do not belong together",
            id="mismatch",
        ),
    ],
)
def test_a_pair_that_can_not_be_used_is_renewed(pair: KeyPair | None, reason: str) -> None:
    """An authority and a serving certificate alike."""
    assert authority_renewal_reason(pair, NOW) == reason
    assert serving_renewal_reason(pair, AUTHORITY, NAMES, NOW) == reason


def rsa_authority() -> KeyPair:
    """A self-signed authority as a person might have made it."""
    key, name = rsa.generate_private_key(65537, 2048), certificate(AUTHORITY).subject
    found = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(found.public_bytes(Encoding.PEM), private_key)


@pytest.mark.parametrize("pair", [SERVING, rsa_authority()], ids=["serving-certificate", "rsa"])
def test_a_pair_that_can_not_sign_for_us_is_no_authority(pair: KeyPair) -> None:
    """Whatever somebody put into the Secret, the keeper replaces it and does not fail at signing."""
    assert authority_renewal_reason(pair, NOW) == "it is not an ECDSA certificate authority"


def test_a_pair_is_renewed_after_two_thirds_of_its_life() -> None:
    """365 days and 5 minutes: two thirds are 243 days 8 h 3 min 20 s, counted from 5 minutes ago.

    One second before that there is no reason, and from then on there is one.
    """
    due = NOW - timedelta(minutes=5) + timedelta(days=243, hours=8, minutes=3, seconds=20)

    assert authority_renewal_reason(AUTHORITY, due - timedelta(seconds=1)) is None
    assert authority_renewal_reason(AUTHORITY, due) == (
        f"it expires on {NOW + timedelta(days=365):%Y-%m-%d %H:%M} UTC"
    )


def test_a_serving_certificate_is_renewed_after_two_thirds_of_its_life() -> None:
    """7 days and 5 minutes: two thirds are 4 days 16 h 3 min 20 s, counted from 5 minutes ago."""
    due = NOW - timedelta(minutes=5) + timedelta(days=4, hours=16, minutes=3, seconds=20)

    def reason(moment: datetime) -> str | None:
        return serving_renewal_reason(SERVING, AUTHORITY, NAMES, moment)

    assert reason(due - timedelta(seconds=1)) is None
    assert reason(due) == f"it expires on {NOW + timedelta(days=7):%Y-%m-%d %H:%M} UTC"


def test_a_serving_certificate_of_another_authority_is_renewed() -> None:
    """Also where the newest of several is another one; the old one still trusted makes no difference."""
    fresh = issue_authority(NOW)
    both = KeyPair(fresh.certificate + AUTHORITY.certificate, fresh.private_key)

    for authority in (fresh, both):
        reason = serving_renewal_reason(SERVING, authority, NAMES, NOW)
        assert reason == "it was not signed by the current authority"


@pytest.mark.parametrize(
    "names",
    [NAMES[:1], (*NAMES, "localhost"), ("127.0.0.1", "::2", *NAMES[:2])],
    ids=["fewer", "more", "other"],
)
def test_a_serving_certificate_with_other_names_is_renewed(names: tuple[str, ...]) -> None:
    """Fewer, more and other ones."""
    assert (
        serving_renewal_reason(SERVING, AUTHORITY, names, NOW)
        == "its names are not those that are configured"
    )


def test_neither_order_nor_spelling_of_the_names_is_a_reason() -> None:
    """`0:0:0:0:0:0:0:1` is `::1`."""
    names = ("0:0:0:0:0:0:0:1", *reversed(NAMES[:3]))

    assert serving_renewal_reason(SERVING, AUTHORITY, names, NOW) is None


def test_what_the_newest_authority_signs_is_what_its_key_signs() -> None:
    """Of an authority followed by an older one, the first certificate is the issuer."""
    fresh = issue_authority(NOW)
    both = KeyPair(fresh.certificate + AUTHORITY.certificate, fresh.private_key)
    serving = issue_serving_certificate(both, NAMES, NOW)

    assert handshake(serving, fresh.certificate, NAMES[0]) == certificate(serving)


def test_the_bundle_holds_every_authority_that_has_not_expired() -> None:
    """Newest first; on the day of its expiry the older one is gone."""
    older = issue_authority(NOW - timedelta(days=300))
    both = KeyPair(AUTHORITY.certificate + older.certificate, AUTHORITY.private_key)
    expiry = NOW + timedelta(days=65)

    assert trusted_bundle(both, expiry - timedelta(seconds=1)) == both.certificate
    assert trusted_bundle(both, expiry) == AUTHORITY.certificate


def test_a_pair_that_can_not_be_read_never_expires() -> None:
    """There is no time to tell."""
    assert expires_at(KeyPair(b"", b"")) is None

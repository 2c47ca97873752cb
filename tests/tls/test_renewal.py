"""When certificates are due for renewal, and how a Secret holds several authorities."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.tls.key_pairs import KeyPair, concatenate, parse_certificates, split
from app.tls.renewal import authority_renewal_reason, names_of, renewal_due, serving_renewal_reason
from tests.tls.issued import issue_authority, issue_serving_certificate

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("job-profiler.profiling.svc", "job-profiler.profiling.svc.cluster.local", "127.0.0.1", "::1")
AUTHORITY = issue_authority(NOW)
SERVING = issue_serving_certificate(AUTHORITY, NAMES, NOW)


def certificate(pair: KeyPair) -> x509.Certificate:
    return parse_certificates(pair.certificate)[0]


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        pytest.param(None, "it does not exist yet", id="none"),
        pytest.param(
            KeyPair(b"hello", AUTHORITY.private_key), "its certificate can't be read", id="certificate"
        ),
        pytest.param(
            KeyPair(AUTHORITY.certificate, b"hello"), "its private key can't be read", id="private-key"
        ),
        pytest.param(
            KeyPair(AUTHORITY.certificate, SERVING.private_key),
            "its certificate and private key do not match",
            id="mismatch",
        ),
    ],
)
def test_a_pair_that_can_not_be_used_is_renewed(pair: KeyPair | None, reason: str) -> None:
    """Both an authority and a serving certificate."""
    assert authority_renewal_reason(pair, NOW) == reason
    assert serving_renewal_reason(pair, AUTHORITY, NAMES, NOW) == reason


def rsa_authority() -> KeyPair:
    """A self-signed authority such as a user might create."""
    key, name = rsa.generate_private_key(65537, 2048), certificate(AUTHORITY).subject
    own = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(own.public_bytes(Encoding.PEM), private_key)


@pytest.mark.parametrize("pair", [SERVING, rsa_authority()], ids=["serving-certificate", "rsa"])
def test_a_pair_that_can_not_sign_for_us_is_no_authority(pair: KeyPair) -> None:
    """The keeper replaces unusable content of the Secret instead of failing at signing."""
    assert authority_renewal_reason(pair, NOW) == "it is not an ECDSA certificate authority"


def numbered(number: int, lifetime: timedelta, issued: datetime = NOW) -> x509.Certificate:
    """A certificate with this serial number, backdated by an hour like ours."""
    key, name = ec.generate_private_key(ec.SECP256R1()), certificate(AUTHORITY).subject
    begin = issued - timedelta(hours=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, begin, issued + lifetime)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("number", "lifetime", "due"),
    [
        pytest.param(1000, timedelta(days=7), timedelta(days=4, hours=16), id="two-thirds"),
        pytest.param(1500, timedelta(days=6), timedelta(days=3, hours=20, minutes=24), id="2.5-percent-less"),
        pytest.param(3000, timedelta(seconds=30), timedelta(seconds=20), id="30-seconds"),
        pytest.param(2800, timedelta(seconds=90), timedelta(seconds=56.4), id="90-seconds-4-percent-less"),
    ],
)
def test_a_certificate_is_due_after_two_thirds_of_its_life(
    number: int, lifetime: timedelta, due: timedelta
) -> None:
    """The life starts at the issue, not an hour before: one of 30 s is due after 20 s, not at once.

    The last three digits of its serial number subtract up to 5 % of the life: 500 are 2.5 %, so 6 days are
    due after 4 days less 3 h 36 min, and 800 are 4 %, so 90 s are due after 60 s less 3.6 s.
    """
    issued = numbered(number, lifetime)

    assert abs(renewal_due(issued) - (NOW + due)) < timedelta(milliseconds=1)


def test_renewals_of_many_clusters_are_spread() -> None:
    """Of 200 authorities issued in the same second, the first is due weeks before the last.

    All are due within 5 % of 365 days, 18 days and 6 hours, before two thirds, which are 243 days and 8
    hours.
    """
    dues = sorted(renewal_due(certificate(issue_authority(NOW))) - NOW for _ in range(200))

    assert timedelta(days=225, hours=2) <= dues[0] < timedelta(days=228)
    assert timedelta(days=240) < dues[-1] <= timedelta(days=243, hours=8)


@pytest.mark.parametrize("pair", [AUTHORITY, SERVING], ids=["authority", "serving"])
def test_the_reason_is_there_from_the_due_moment_on(pair: KeyPair) -> None:
    """One second earlier there is no reason; then the reason names the expiry of the certificate."""
    due, expiry = renewal_due(certificate(pair)), certificate(pair).not_valid_after_utc

    def reason(moment: datetime) -> str | None:
        if pair is AUTHORITY:
            return authority_renewal_reason(pair, moment)
        return serving_renewal_reason(pair, AUTHORITY, NAMES, moment)

    assert reason(due - timedelta(seconds=1)) is None
    assert reason(due) == f"it expires on {expiry:%Y-%m-%d %H:%M} UTC"


def test_a_certificate_of_the_future_is_renewed() -> None:
    """It was issued by a clock that was ahead; API servers reject it until it becomes valid."""
    reason = f"it is not valid before {NOW - timedelta(hours=1):%Y-%m-%d %H:%M} UTC"

    assert authority_renewal_reason(AUTHORITY, NOW - timedelta(hours=2)) == reason


def test_a_serving_certificate_of_another_authority_is_renewed() -> None:
    """The signer must be the newest authority; a certificate of an older trusted one is renewed too."""
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
    """With fewer, more or different names."""
    assert (
        serving_renewal_reason(SERVING, AUTHORITY, names, NOW) == "its names differ from the configured names"
    )


def test_neither_order_nor_spelling_of_the_names_is_a_reason() -> None:
    """`0:0:0:0:0:0:0:1` equals `::1`."""
    names = ("0:0:0:0:0:0:0:1", *reversed(NAMES[:3]))

    assert serving_renewal_reason(SERVING, AUTHORITY, names, NOW) is None


def test_several_authorities_are_taken_apart_again() -> None:
    """Each certificate is paired with its key, in any order of the keys."""
    pairs = [issue_authority(NOW) for _ in range(3)]
    together = concatenate(pairs)
    reversed_keys = KeyPair(together.certificate, concatenate(pairs[::-1]).private_key)

    assert split(together) == split(reversed_keys) == pairs


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(KeyPair(AUTHORITY.certificate, b""), [b""], id="no-key"),
        pytest.param(KeyPair(AUTHORITY.certificate, SERVING.private_key), [b""], id="another-key"),
        pytest.param(
            KeyPair(AUTHORITY.certificate, b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"),
            [b""],
            id="unreadable-key",
        ),
        pytest.param(
            KeyPair(SERVING.certificate + AUTHORITY.certificate, AUTHORITY.private_key.rstrip()),
            [b"", AUTHORITY.private_key],
            id="only-the-second-one's",
        ),
        pytest.param(KeyPair(b"hello", AUTHORITY.private_key), [], id="no-certificate"),
    ],
)
def test_a_certificate_whose_key_is_missing_has_none(stored: KeyPair, expected: list[bytes]) -> None:
    """It stays trusted but can't sign."""
    assert [pair.private_key for pair in split(stored)] == expected


def test_dns_names_are_listed_before_addresses() -> None:
    """In the order of the certificate; a certificate without names gives none."""
    assert names_of(certificate(SERVING)) == list(NAMES)
    assert names_of(certificate(AUTHORITY)) == []

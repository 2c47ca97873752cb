"""Authority, trust and serving certificate stay in order, whatever interrupts the keeper."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from app.tls.issuing import KeyPair, issue_authority, issue_serving_certificate, parse_certificates
from tests.tls.stores import NAMES, ProcessEndedError, Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = NOW + timedelta(days=244)  # two thirds of an authority's 365 days are over


async def kept(now: datetime = NOW) -> Stores:
    """The stores after a first run, the journal empty again."""
    stores = Stores()
    await stores.keeper().ensure(now)
    stores.journal.clear()
    return stores


def authorities(pem: bytes) -> int:
    return len(parse_certificates(pem))


def is_trusted(stores: Stores) -> bool:
    """True where the API server would accept what is served."""
    assert stores.serving.pair
    serving = parse_certificates(stores.serving.pair.certificate)[0]
    return any(_signed(serving, authority) for authority in parse_certificates(stores.trust.bundle))


def _signed(serving: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        serving.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True


async def test_the_first_run_issues_publishes_and_signs_in_that_order() -> None:
    """Nothing is signed before the API server was told to trust its issuer."""
    stores = Stores()

    await stores.keeper().ensure(NOW)

    assert stores.journal == ["authority", "trust", "serving"]
    assert stores.authority.pair
    assert stores.trust.bundle == stores.authority.pair.certificate
    assert is_trusted(stores)


async def test_a_run_with_nothing_due_writes_nothing() -> None:
    """Not at once, not by the next leader, and not one day later."""
    stores = await kept()
    for later in (timedelta(0), timedelta(hours=1), timedelta(days=1)):
        await stores.keeper().ensure(NOW + later)

    assert stores.journal == []


async def test_a_serving_certificate_that_is_due_is_all_that_is_written() -> None:
    """After 5 of 7 days: two thirds are over."""
    stores = await kept()
    before = stores.serving.pair

    await stores.keeper().ensure(NOW + timedelta(days=5))

    assert stores.journal == ["serving"]
    assert stores.serving.pair != before
    assert is_trusted(stores)


async def test_names_that_were_changed_are_all_that_is_written() -> None:
    """A release under another name gets another certificate of the same authority."""
    stores = await kept()

    await stores.keeper("other.profiling.svc").ensure(NOW)

    assert stores.journal == ["serving"]


async def test_a_new_authority_is_published_beside_the_old_one_before_it_signs() -> None:
    """While the bundle is published, the old certificate is still served: both authorities are in it."""
    stores = await kept()
    old_authority, old_serving = stores.authority.pair, stores.serving.pair
    assert old_authority
    served_while: list[KeyPair | None] = []
    stores.inspect = lambda: served_while.append(stores.serving.pair)

    await stores.keeper().ensure(DUE)

    assert stores.journal == ["authority", "trust", "serving"]
    assert served_while[:2] == [old_serving, old_serving]
    assert authorities(stores.trust.bundle) == 2
    assert stores.trust.bundle.endswith(old_authority.certificate)
    assert stores.authority.pair
    assert stores.trust.bundle == stores.authority.pair.certificate


@pytest.mark.parametrize("fault", ["fails_before", "fails_after"])
@pytest.mark.parametrize("step", ["authority", "trust", "serving"])
@pytest.mark.parametrize("renewal", [False, True], ids=["first-run", "renewal"])
async def test_a_keeper_that_was_interrupted_is_resumed_by_the_next(
    step: str, fault: str, *, renewal: bool
) -> None:
    """Whichever write was refused, or was the last before the process ended, the next run does the rest.

    Each of the three is written just once in all, and what is served is trusted.
    """
    stores, now = (await kept(), DUE) if renewal else (Stores(), NOW)
    setattr(stores, fault, step)
    with pytest.raises(ProcessEndedError):
        await stores.keeper().ensure(now)
    setattr(stores, fault, "")

    await stores.keeper().ensure(now)

    assert stores.journal == ["authority", "trust", "serving"]
    assert stores.authority.pair
    assert stores.trust.bundle == stores.authority.pair.certificate
    assert authorities(stores.trust.bundle) == (2 if renewal else 1)
    assert is_trusted(stores)


@pytest.mark.parametrize("bundle", [b"", b"nonsense", issue_authority(NOW).certificate])
async def test_a_foreign_bundle_is_corrected(bundle: bytes) -> None:
    """Emptied, broken or replaced by another authority: the next run publishes ours, and nothing else."""
    stores = await kept()
    right = stores.trust.bundle
    stores.trust.bundle = bundle

    await stores.keeper().ensure(NOW)

    assert (stores.journal, stores.trust.bundle) == (["trust"], right)


async def test_a_serving_certificate_of_somebody_else_is_replaced() -> None:
    """One that no API server would accept from us."""
    stores = await kept()
    stores.serving.pair = issue_serving_certificate(issue_authority(NOW), NAMES, NOW)

    await stores.keeper().ensure(NOW)

    assert stores.journal == ["serving"]
    assert is_trusted(stores)


async def test_an_authority_that_can_not_be_read_is_replaced() -> None:
    """There is nothing of it that could be trusted on."""
    stores = await kept()
    stores.authority.pair = KeyPair(b"hello", b"world")

    await stores.keeper().ensure(NOW)

    assert stores.journal == ["authority", "trust", "serving"]
    assert authorities(stores.trust.bundle) == 1
    assert is_trusted(stores)


async def test_an_expired_authority_is_trusted_no_more() -> None:
    """Renewed after 244 days, the old one stays for the 121 that it has left, and goes then."""
    stores = await kept()
    await stores.keeper().ensure(DUE)
    await stores.keeper().ensure(NOW + timedelta(days=364))
    assert authorities(stores.trust.bundle) == 2
    stores.journal.clear()

    await stores.keeper().ensure(NOW + timedelta(days=365))

    assert authorities(stores.trust.bundle) == 1
    assert "trust" in stores.journal
    assert is_trusted(stores)


async def test_in_three_years_nothing_untrusted_or_expired_is_served() -> None:
    """Checked twice a day, and after every single write: what is served is valid and its issuer trusted.

    An authority lasts 243 days: in 1095 days there are 5, and never more than 2 of them are trusted.
    """
    stores, now, signers = await kept(), NOW, set[bytes]()

    def inspect() -> None:
        assert stores.serving.pair
        assert stores.authority.pair
        served = parse_certificates(stores.serving.pair.certificate)[0]
        assert served.not_valid_before_utc <= now < served.not_valid_after_utc
        assert is_trusted(stores)
        assert authorities(stores.trust.bundle) <= 2
        signers.add(stores.authority.pair.private_key)

    stores.inspect = inspect
    for half_day in range(2 * 1095):
        now = NOW + timedelta(hours=12 * half_day)
        await stores.keeper().ensure(now)
        inspect()

    assert len(signers) == 5

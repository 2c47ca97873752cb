"""The keeper rotates authority, bundle and serving certificate in order, in spite of interruptions."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import ConflictError, ForbiddenError
from app.tls.keeper import CertificateKeeper
from app.tls.key_pairs import KeyPair, certificate_of, key_pair_of, parse_certificates, split, to_secret_data
from app.tls.renewal import is_issued_by, renewal_due
from app.tls.rotation import RotationPolicy
from tests.tls.issued import KEYS, issue_authority, issue_serving_certificate
from tests.tls.stores import InMemory, Moment, Wire, undisturbed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAG = 10.0
NAMES = ("job-profiler.profiling.svc", "127.0.0.1")


class ProcessEndedError(Exception):
    """The process is killed."""


class Cluster(InMemory):
    """The stored objects, the wall clock and the elapsed time."""

    def __init__(self) -> None:
        super().__init__()
        self.wall, self.elapsed = NOW, 0.0

    def passes(self, time: timedelta | float) -> None:
        """Advance both clocks."""
        seconds = time.total_seconds() if isinstance(time, timedelta) else time
        self.wall += timedelta(seconds=seconds)
        self.elapsed += seconds

    def leader(self, wire: Wire = undisturbed, *names: str) -> CertificateKeeper:
        """A new keeper without state in memory."""
        return CertificateKeeper(
            self.stores(wire),
            RotationPolicy(names or NAMES, trust_lag_seconds=LAG),
            KEYS,
            wall_clock=lambda: self.wall,
            elapsed_clock=lambda: self.elapsed,
        )

    def written(self) -> list[str]:
        """The objects written since the last call, in order."""
        journal = self.journal.copy()
        self.journal.clear()
        return journal

    @property
    def served(self) -> KeyPair:
        """The key pair that replicas serve."""
        pair = key_pair_of(self.serving.data)
        assert pair
        return pair

    @property
    def authorities(self) -> list[KeyPair]:
        """The stored authorities, newest first."""
        pair = key_pair_of(self.authority.data)
        assert pair
        return split(pair)

    def signs(self, place: int) -> bool:
        """True if the authority at *place* signed the served certificate and is in the bundle."""
        served, authority = certificate_of(self.served), certificate_of(self.authorities[place])
        assert served
        assert authority
        return is_issued_by(served, authority) and authority in parse_certificates(self.bundle)


async def installed() -> tuple[Cluster, CertificateKeeper]:
    """A cluster after its first run, and its leader."""
    cluster = Cluster()
    leader = cluster.leader()
    await leader.ensure()
    cluster.written()
    return cluster, leader


async def before_rotation() -> tuple[Cluster, CertificateKeeper]:
    """The authority is due now; the served certificate was issued one day ago."""
    cluster, leader = await installed()
    authority = certificate_of(cluster.authorities[0])
    assert authority
    cluster.passes(renewal_due(authority) - cluster.wall - timedelta(days=1))
    await leader.ensure()
    assert cluster.written() == ["serving"]
    cluster.passes(timedelta(days=1))
    return cluster, leader


async def half_rotated() -> tuple[Cluster, CertificateKeeper]:
    """A second authority was just stored and published; the first one's certificate is still served."""
    cluster, leader = await before_rotation()
    await leader.ensure()
    assert cluster.written() == ["authority", "trust"]
    return cluster, leader


def refusing(operation: str, error: Callable[[], Exception], moment: Moment = "before") -> Wire:
    """A wire on which *operation* fails, before or after it takes effect."""

    async def wire(what: str, when: Moment) -> None:
        if (what, when) == (operation, moment):
            raise error()

    return wire


async def test_a_first_installation_waits_for_nothing() -> None:
    """Without a serving replica, authority, bundle and certificate are written at once.

    After the lag the next action is the renewal of the certificate, after two thirds of 7 days at most.
    """
    cluster = Cluster()

    seconds = await cluster.leader().ensure()

    assert cluster.written() == ["authority", "trust", "serving"]
    assert cluster.bundle == cluster.authorities[0].certificate
    assert cluster.signs(0)
    # The bundle is new: the keeper's next run is due when the lag is over.
    assert seconds == LAG
    cluster.passes(LAG)
    certificate = certificate_of(cluster.served)
    assert certificate
    assert await cluster.leader().ensure() == LAG  # a new leader does not know the bundle's age
    assert cluster.written() == []


async def test_a_run_with_nothing_due_writes_nothing() -> None:
    """Neither at once nor one day later nor by the next leader; the result is the time until renewal."""
    cluster, leader = await installed()
    certificate = certificate_of(cluster.served)
    assert certificate
    for later in (timedelta(0), timedelta(hours=1), timedelta(days=1)):
        cluster.passes(later)
        await cluster.leader().ensure()
        seconds = await leader.ensure()

    assert cluster.written() == []
    assert seconds == (renewal_due(certificate) - cluster.wall).total_seconds()


async def test_a_certificate_that_is_due_is_renewed_at_once() -> None:
    """After 5 of 7 days, by the same authority and without a wait; a new leader does the same."""
    cluster, leader = await installed()
    for keeper in (leader, cluster.leader()):
        before = cluster.served
        cluster.passes(timedelta(days=5))
        await keeper.ensure()

        assert cluster.written() == ["serving"]
        assert cluster.served != before
        assert cluster.signs(0)


async def test_changed_names_renew_the_serving_certificate_only() -> None:
    """A release with another name gets a new certificate of the same authority at once."""
    cluster, _ = await installed()

    await cluster.leader(undisturbed, "other.profiling.svc").ensure()

    assert cluster.written() == ["serving"]
    assert cluster.signs(0)


async def test_a_new_authority_signs_only_after_the_lag() -> None:
    """It is stored and published beside the old one; for 10 s the old one's certificate stays served.

    The keeper's next run is due exactly then.
    """
    cluster, leader = await before_rotation()

    seconds = await leader.ensure()

    assert (cluster.written(), seconds) == (["authority", "trust"], LAG)
    assert cluster.bundle == b"".join(pair.certificate for pair in cluster.authorities)
    assert len(cluster.authorities) == 2
    cluster.passes(LAG - 0.1)
    assert await leader.ensure() == pytest.approx(0.1)
    assert (cluster.written(), cluster.signs(1)) == ([], True)
    cluster.passes(0.1)
    await leader.ensure()
    assert (cluster.written(), cluster.signs(0)) == (["serving"], True)


async def test_an_old_authority_goes_when_its_last_certificate_has_expired() -> None:
    """Its last certificate, issued 1 day before the rotation, is valid for 6 more days.

    Although that certificate is no longer served, the bundle and the Secret (with the key) hold the old
    authority until then and no longer. A leader without state of the rotation does the same. The new
    authority's first certificate, renewed after 4 to 5 days, makes no difference.
    """
    cluster, leader = await half_rotated()
    cluster.passes(LAG)
    await leader.ensure()
    cluster.passes(timedelta(days=5))
    await cluster.leader().ensure()
    cluster.passes(timedelta(days=1, seconds=-LAG - 1))
    await cluster.leader().ensure()
    assert cluster.written() == ["serving", "serving"]
    assert len(parse_certificates(cluster.bundle)) == len(cluster.authorities) == 2

    cluster.passes(1)
    await cluster.leader().ensure()

    assert cluster.written() == ["authority", "trust"]
    assert cluster.bundle == cluster.authorities[0].certificate
    assert cluster.authority.data["tls.key"].count(b"BEGIN") == len(cluster.authorities) == 1
    assert cluster.signs(0)


async def test_a_leader_that_takes_over_waits_the_whole_lag() -> None:
    """The 9 s that the first leader waited do not count: the time of publication is not stored."""
    cluster, _ = await half_rotated()
    cluster.passes(LAG - 1)
    leader = cluster.leader()

    assert await leader.ensure() == LAG
    cluster.passes(LAG - 0.1)
    await leader.ensure()
    assert cluster.written() == []
    cluster.passes(0.1)
    await leader.ensure()
    assert cluster.written() == ["serving"]


async def test_a_clock_that_is_set_forward_does_not_shorten_the_lag() -> None:
    """The wall clock jumps by an hour, as after a suspended machine resumes; API servers had no hour."""
    cluster, leader = await half_rotated()
    cluster.wall += timedelta(hours=1)

    assert await leader.ensure() == LAG
    assert (cluster.written(), cluster.signs(1)) == ([], True)


async def test_a_bundle_that_vanished_begins_its_lag_anew() -> None:
    """A bundle emptied 5 s after publication is published again, and the lag of 10 s restarts."""
    cluster, leader = await half_rotated()
    cluster.passes(5)
    right = cluster.bundle
    cluster.trust.put({})
    await leader.ensure()
    assert (cluster.written(), cluster.bundle) == (["trust", "trust"], right)
    cluster.passes(LAG - 1)
    await leader.ensure()

    assert cluster.written() == []


async def twice(cluster: Cluster, leader: CertificateKeeper) -> None:
    """Run the keeper, and again after the lag."""
    await leader.ensure()
    cluster.passes(LAG)
    await leader.ensure()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["authority", "trust", "serving"])
@pytest.mark.parametrize("rotation", [False, True], ids=["first-run", "rotation"])
async def test_what_was_interrupted_is_resumed_by_the_next_leader(
    step: str, moment: Moment, *, rotation: bool
) -> None:
    """After a failed write, or a kill right after a write, the next leader completes the sequence.

    Each of the three objects is written exactly once in total, and the served certificate is trusted.
    """
    cluster = (await before_rotation())[0] if rotation else Cluster()
    interrupted = cluster.leader(refusing(f"write {step}", ProcessEndedError, moment))
    with pytest.raises(ProcessEndedError):
        await twice(cluster, interrupted)
    await twice(cluster, cluster.leader())

    assert cluster.written() == ["authority", "trust", "serving"]
    assert len(parse_certificates(cluster.bundle)) == (2 if rotation else 1)
    assert cluster.signs(0)


async def test_a_certificate_never_expires_while_a_new_authority_can_not_be_published() -> None:
    """For 60 days writing the configuration is forbidden; the old authority renews the served certificate.

    The old authority is valid for at least 121 more days. Each run raises the error; once the permission is
    granted, the next run completes the rotation.
    """
    cluster, leader = await before_rotation()
    forbidden = cluster.leader(refusing("write trust", lambda: ForbiddenError("no right to patch")))
    for _ in range(60):
        with pytest.raises(ForbiddenError, match="no right to patch"):
            await forbidden.ensure()
        served = certificate_of(cluster.served)
        assert served
        assert served.not_valid_after_utc > cluster.wall + timedelta(days=2)
        assert cluster.signs(1)
        cluster.passes(timedelta(days=1))
    assert 12 <= cluster.written().count("serving") <= 15
    await leader.ensure()
    cluster.passes(LAG)
    await leader.ensure()

    assert cluster.written()[-2:] == ["trust", "serving"]
    assert cluster.signs(0)


async def test_a_certificate_is_renewed_while_the_configuration_can_not_be_read() -> None:
    """The trusted authorities are unknown, but the signer of the served certificate may sign again."""
    cluster, _ = await installed()
    cluster.passes(timedelta(days=5))
    blind = cluster.leader(refusing("read trust", lambda: ForbiddenError("no right to get")))
    with pytest.raises(ForbiddenError, match="no right to get"):
        await blind.ensure()

    assert cluster.written() == ["serving"]
    assert cluster.signs(0)


async def test_without_a_configuration_nothing_is_signed_for_the_first_time() -> None:
    """The bundle may still cover a certificate that replicas serve; that is unknown."""
    cluster = Cluster()
    with pytest.raises(ForbiddenError):
        await cluster.leader(refusing("read trust", lambda: ForbiddenError("no right to get"))).ensure()

    assert cluster.written() == ["authority"]


@pytest.mark.parametrize("bundle", [b"", b"nonsense", issue_authority(NOW).certificate])
async def test_a_foreign_bundle_is_corrected(bundle: bytes) -> None:
    """A bundle that is empty, invalid or of an unrelated authority is replaced by our authority alone."""
    cluster, leader = await installed()
    right = cluster.bundle
    cluster.trust.put({"bundle": bundle})
    cluster.written()

    await leader.ensure()

    assert (cluster.written(), cluster.bundle) == (["trust"], right)


async def test_an_authority_that_is_only_in_the_bundle_stays_while_it_is_needed() -> None:
    """The authority's Secret was emptied: a new authority is published beside the lost one.

    It signs after the lag. The lost authority's certificate is valid for 7 days, so that authority stays in
    the bundle until then.
    """
    cluster, leader = await installed()
    lost = cluster.bundle
    cluster.authority.put({})
    cluster.written()
    await leader.ensure()
    assert cluster.written() == ["authority", "trust"]
    assert cluster.bundle == cluster.authorities[0].certificate + lost
    cluster.passes(LAG)
    await leader.ensure()
    assert cluster.written() == ["serving"]
    assert cluster.signs(0)
    cluster.passes(timedelta(days=7))
    await leader.ensure()

    assert cluster.bundle == cluster.authorities[0].certificate


async def test_served_certificates_count_although_their_secret_was_emptied() -> None:
    """In the middle of a rotation the served certificates are unknown, so the old authority is kept.

    The new certificate waits for the lag, since the new authority may not be trusted everywhere.
    """
    cluster, leader = await half_rotated()
    cluster.serving.put({})
    cluster.written()
    await leader.ensure()
    assert cluster.written() == []
    cluster.passes(LAG)
    await leader.ensure()
    assert cluster.written() == ["serving"]
    old = certificate_of(cluster.authorities[1])
    assert old
    cluster.passes(timedelta(days=100))
    await leader.ensure()
    assert len(parse_certificates(cluster.bundle)) == len(cluster.authorities) == 2
    cluster.passes(old.not_valid_after_utc - cluster.wall)
    await leader.ensure()

    assert len(parse_certificates(cluster.bundle)) == len(cluster.authorities) == 1


async def test_a_foreign_serving_certificate_is_replaced() -> None:
    """No API server would accept it; it is replaced as soon as our authority is known to be trusted."""
    cluster, leader = await installed()
    cluster.passes(LAG)
    await leader.ensure()
    foreign = issue_serving_certificate(issue_authority(NOW), NAMES, NOW)
    cluster.serving.put(to_secret_data(foreign))
    cluster.written()

    await leader.ensure()

    assert cluster.written() == ["serving"]
    assert cluster.signs(0)


async def test_an_authority_that_can_not_be_read_is_replaced() -> None:
    """Its certificates stay trusted, since the bundle contains its certificate."""
    cluster, leader = await installed()
    cluster.authority.put({"tls.crt": b"hello", "tls.key": b"world"})
    cluster.written()
    await leader.ensure()
    cluster.passes(LAG)
    await leader.ensure()

    assert cluster.written() == ["authority", "trust", "serving"]
    assert len(cluster.authorities) == 1
    assert cluster.signs(0)


async def test_what_a_clock_that_was_ahead_issued_is_replaced() -> None:
    """A certificate of a leader whose clock was one year ahead would be rejected for a year."""
    cluster = Cluster()
    cluster.wall += timedelta(days=365)
    await cluster.leader().ensure()
    cluster.wall = NOW
    leader = cluster.leader()
    await leader.ensure()
    cluster.passes(LAG)
    await leader.ensure()
    served = certificate_of(cluster.served)
    assert served

    assert served.not_valid_before_utc == NOW + timedelta(seconds=LAG) - timedelta(hours=1)
    assert cluster.signs(0)


async def test_a_conflict_is_met_by_reading_again() -> None:
    """Another leader stored its authority first: that one is used, and no second one is issued."""
    cluster = Cluster()
    other = issue_authority(NOW)

    async def wire(what: str, when: Moment) -> None:
        if (what, when) == ("write authority", "before") and not cluster.authority.data:
            cluster.authority.put(to_secret_data(other))

    await cluster.leader(wire).ensure()

    assert cluster.written() == ["authority", "trust", "serving"]
    assert cluster.authorities == split(other)


async def test_conflicts_without_an_end_are_a_fault() -> None:
    """Another client writes between each read and write: after a few tries the caller gets an error."""
    cluster = Cluster()

    async def wire(what: str, when: Moment) -> None:
        if (what, when) == ("write authority", "before"):
            cluster.authority.put({})

    with pytest.raises(ConflictError, match="authority changed"):
        await cluster.leader(wire).ensure()


async def test_a_stalled_leader_that_resumes_reverts_nothing() -> None:
    """It stalled just before it corrected the bundle; meanwhile another leader rotated.

    Its write is a conflict; after reading again it has nothing to do, and the new authority stays published.
    """
    cluster, current = await before_rotation()
    cluster.wall -= timedelta(seconds=1)
    cluster.trust.put({"bundle": issue_authority(NOW).certificate})
    rotated = False

    async def wire(what: str, when: Moment) -> None:
        nonlocal rotated
        if (what, when) == ("write trust", "before") and not rotated:
            rotated = True
            for seconds in (1, LAG):
                cluster.passes(seconds)
                await current.ensure()
            cluster.written()

    await cluster.leader(wire).ensure()

    assert rotated
    assert cluster.written() == []
    assert cluster.signs(0)
    assert len(parse_certificates(cluster.bundle)) == 2


async def test_a_write_between_two_reads_is_not_reverted() -> None:
    """A leader read an authority without successor; then another leader published a new one.

    If it read the bundle after that, it would take the new authority in it for a foreign one.
    """
    cluster, current = await before_rotation()
    cluster.wall -= timedelta(seconds=1)
    bundles = list[bytes]()

    async def wire(what: str, when: Moment) -> None:
        if (what, when) == ("read serving", "after") and not bundles:
            cluster.passes(1)
            await current.ensure()
            bundles.append(cluster.bundle)
        elif what == "write trust":
            bundles.append(cluster.bundle)

    await cluster.leader(wire).ensure()

    assert len(parse_certificates(cluster.bundle)) == 2
    assert set(bundles) == {cluster.bundle}


async def test_short_lifetimes_rotate_in_order_too() -> None:
    """A certificate of 30 s is due after 18.5 to 20 s, an authority of 90 s after 55.5 to 60 s.

    Run at the times that it returns, the keeper writes nothing too early: in 300 s there are 5 or 6
    authorities and between 14 and 24 certificates.
    """
    cluster = Cluster()
    terms = RotationPolicy(NAMES, timedelta(seconds=30), timedelta(seconds=90), trust_lag_seconds=2)
    leader = CertificateKeeper(
        cluster.stores(), terms, KEYS, wall_clock=lambda: cluster.wall, elapsed_clock=lambda: cluster.elapsed
    )
    signers = set()
    while cluster.elapsed < 300:
        cluster.passes(await leader.ensure())
        served = certificate_of(cluster.served)
        assert served
        assert served.not_valid_after_utc > cluster.wall
        assert cluster.signs(0) or cluster.signs(1)
        signers.add(cluster.authorities[0].certificate)

    assert len(signers) in {5, 6}
    assert 14 <= cluster.written().count("serving") <= 24

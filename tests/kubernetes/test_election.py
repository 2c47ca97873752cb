"""The election: at most one replica leads at any time, and a leader that failed is replaced in time."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.kubernetes.client import ClusterClient
from app.kubernetes.election import LeaderElector, LeaseTiming
from tests.kubernetes.fake_api_server import FakeApiServer, refuses
from tests.kubernetes.fake_lease import NAME, NAMESPACE, PATH, FakeLease
from tests.kubernetes.polling import until

TIMING = LeaseTiming(duration_seconds=1, renew_deadline_seconds=0.6, retry_period_seconds=0.1)
Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Terms:
    """The terms of all leaders: identity, begin and end of each `lead()`, by the monotonic clock."""

    ended: list[tuple[str, float, float]] = field(default_factory=list)

    def of(self, identity: str, farewell_seconds: float = 0) -> Work:
        """Work that lasts until it is cancelled, and then takes *farewell_seconds* to end."""

        async def work() -> None:
            began = time.monotonic()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(farewell_seconds)
                self.ended.append((identity, began, time.monotonic()))

        return work

    @property
    def leaders(self) -> list[str]:
        """The identities of the leaders, in the order in which their terms ended."""
        return [identity for identity, _, _ in self.ended]

    def assert_apart(self) -> None:
        """Each term begins after the term before it has ended."""
        ordered = sorted(self.ended, key=lambda term: term[1])
        for before, after in pairwise(ordered):
            assert before[2] <= after[1], f"{before} and {after} overlap"


@asynccontextmanager
async def candidate(
    client: ClusterClient, identity: str, work: Work
) -> AsyncIterator[tuple[LeaderElector, "asyncio.Task[None]"]]:
    """A running elector, which is cancelled at the end."""
    elector = LeaderElector(client, NAMESPACE, NAME, identity, timing=TIMING)
    task = asyncio.create_task(elector.run(work))
    try:
        yield elector, task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_exactly_one_leads(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """Of three candidates one leads, renews for longer than the Lease's duration, and is never replaced."""
    lease, terms = FakeLease(server), Terms()
    async with AsyncExitStack() as stack:
        electors = [
            (await stack.enter_async_context(candidate(patient_client, identity, terms.of(identity))))[0]
            for identity in "abc"
        ]
        await until(lambda: any(elector.is_leader for elector in electors))
        first = lease.holder

        for _ in range(15):
            await asyncio.sleep(0.1)
            assert [elector.is_leader for elector in electors].count(True) == 1

        assert lease.holder == first
        assert lease.spec["leaseTransitions"] == 0
    terms.assert_apart()


async def test_a_leader_that_can_not_renew_stops_in_time(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """If a's PUTs hang, its work ends within the deadline of 0.6 s, and b leads after the Lease's 1 s.

    Both are counted from a's last renewal, at most 0.1 s before the PUTs begin to hang; b may need its retry
    period and the time of a request more.
    """
    lease, terms = FakeLease(server), Terms()
    async with (
        candidate(patient_client, "a", terms.of("a")) as (leader, _),
        candidate(patient_client, "b", terms.of("b")) as (successor, _),
    ):
        await until(lambda: leader.is_leader or successor.is_leader)
        stuck = lease.holder
        lease.hangs_for = lambda identity: identity == stuck
        began = time.monotonic()
        await until(lambda: terms.leaders == [stuck])
        assert time.monotonic() - began < 2 * TIMING.renew_deadline_seconds
        await until(lambda: lease.holder not in {stuck, ""})
        assert 0.8 < time.monotonic() - began < 2
        await until(lambda: leader.is_leader != successor.is_leader)
        assert lease.spec["leaseTransitions"] == 1
    assert set(terms.leaders) == {"a", "b"}
    terms.assert_apart()


async def test_a_leader_that_lost_contends_again(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """After an outage the only candidate leads again: two terms, one after the other."""
    lease, terms = FakeLease(server), Terms()
    async with candidate(patient_client, "a", terms.of("a")) as (elector, _):
        await until(lambda: elector.is_leader)
        lease.fails_for = lambda _: True
        await until(lambda: terms.leaders == ["a"])
        assert not elector.is_leader

        lease.fails_for = lambda _: False
        await until(lambda: elector.is_leader)
    assert terms.leaders == ["a", "a"]
    terms.assert_apart()


async def test_a_leader_that_was_replaced_stops_at_once(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """If a user writes another holder into the Lease, the work ends within two renewals."""
    lease, terms = FakeLease(server), Terms()
    async with candidate(patient_client, "a", terms.of("a")) as (elector, _):
        await until(lambda: elector.is_leader)
        metadata = lease.manifest["metadata"] | {"resourceVersion": "900"}
        lease.manifest = {"metadata": metadata, "spec": lease.spec | {"holderIdentity": "person"}}

        await until(lambda: terms.leaders == ["a"], within_seconds=0.5)

        assert not elector.is_leader
        assert lease.holder == "person"


async def test_a_cancel_releases_at_once(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """If the leader is stopped, its successor leads long before the Lease's 1 s has passed."""
    lease, terms = FakeLease(server), Terms()
    async with candidate(patient_client, "a", terms.of("a")) as (leader, task):
        await until(lambda: leader.is_leader)
        async with candidate(patient_client, "b", terms.of("b")) as (successor, _):
            await server.wait_for("GET", 3)
            task.cancel()
            await until(lambda: successor.is_leader, within_seconds=0.6)
            assert task.cancelled()
            assert not leader.is_leader
            assert lease.history[-1]["leaseTransitions"] == 1
            assert any(spec["holderIdentity"] == "" for spec in lease.history)
    terms.assert_apart()


async def test_the_lease_is_held_until_the_work_has_ended(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """Work that takes 1.5 s to end keeps the Lease of 1 s until then: no other candidate leads meanwhile.

    A second cancellation of the elector meanwhile changes nothing.
    """
    lease, terms = FakeLease(server), Terms()
    async with candidate(patient_client, "a", terms.of("a", farewell_seconds=1.5)) as (leader, task):
        await until(lambda: leader.is_leader)
        async with candidate(patient_client, "b", terms.of("b")) as (successor, _):
            task.cancel()
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.sleep(1)
            assert lease.holder == "a"
            assert not task.done()
            await until(lambda: successor.is_leader)
    assert terms.leaders == ["a", "b"]
    terms.assert_apart()


async def test_a_crash_releases_and_raises(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """An exception of the work releases the Lease and is raised by `run()`; no renewal follows."""
    lease = FakeLease(server)

    async def crash() -> None:
        await asyncio.sleep(0.2)
        raise ZeroDivisionError("fault")

    elector = LeaderElector(patient_client, NAMESPACE, NAME, "a", timing=TIMING)
    with pytest.raises(ZeroDivisionError, match="fault"):
        await elector.run(crash)

    assert lease.holder == ""
    assert not elector.is_leader
    written = len(lease.history)
    await asyncio.sleep(0.3)
    assert len(lease.history) == written


async def test_work_that_returns_ends_the_run(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """`run()` returns when the work returns, and the Lease is released."""
    lease = FakeLease(server)

    async def done() -> None:
        return

    await LeaderElector(patient_client, NAMESPACE, NAME, "a", timing=TIMING).run(done)

    assert lease.holder == ""


async def test_an_exception_after_the_loss_of_the_lease_is_raised(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """An exception that the work raises when it loses the Lease ends the run as well."""
    lease = FakeLease(server)

    async def fails_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError("fault")

    elector = LeaderElector(patient_client, NAMESPACE, NAME, "a", timing=TIMING)
    task = asyncio.create_task(elector.run(fails_to_end))
    await until(lambda: elector.is_leader)
    lease.fails_for = lambda _: True

    with pytest.raises(ZeroDivisionError, match="fault"):
        await task


async def test_a_cancel_ends_in_time_during_an_outage(
    server: FakeApiServer, patient_client: ClusterClient
) -> None:
    """A process that stops while the API server hangs waits for at most 0.3 s, half the deadline."""
    lease, terms = FakeLease(server), Terms()
    async with candidate(patient_client, "a", terms.of("a")) as (elector, task):
        await until(lambda: elector.is_leader)
        lease.hangs_for = lambda _: True
        began = time.monotonic()
        task.cancel()
        await asyncio.wait({task})

    assert time.monotonic() - began < 0.6
    assert terms.leaders == ["a"]


async def test_a_stalled_process_does_not_lead(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """After the event loop stalled for 0.7 s, `is_leader` is False before any other task ran."""
    FakeLease(server)
    async with candidate(patient_client, "a", Terms().of("a")) as (elector, _):
        await until(lambda: elector.is_leader)

        time.sleep(0.7)  # noqa: ASYNC251 - the test stalls the event loop

        assert not elector.is_leader


async def test_a_missing_lease_is_logged_once(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """The candidate retries while the Lease is missing, logs that once, and leads once the Lease exists."""
    terms = Terms()
    with capture_logs() as lines:
        async with candidate(patient_client, "a", terms.of("a")) as (elector, _):
            await server.wait_for("GET", 4)
            FakeLease(server)
            await until(lambda: elector.is_leader)

    events = [line["event"] for line in lines]
    assert events == ["contact_lost", "contact_regained", "leadership_gained", "leadership_released"]
    assert "Helm chart" in lines[0]["reason"]
    assert terms.leaders == ["a"]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 422, 429, 500], ids=str)
async def test_no_error_ends_the_contention(
    server: FakeApiServer, patient_client: ClusterClient, status: int
) -> None:
    """After any error status, of a read or of a write, the candidate tries again."""
    lease = FakeLease(server)
    server.on("GET", PATH, refuses(status), lease._get)
    server.on("PUT", PATH, refuses(status), lease._put)

    async with candidate(patient_client, "a", Terms().of("a")) as (elector, _):
        await until(lambda: elector.is_leader)


async def test_a_claim_without_a_response(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """A claim was stored, but its response was lost: the next attempt finds it, and the candidate leads."""
    lease = FakeLease(server)
    lease.loses_answers_for = lambda _: not lease.history[1:]
    async with candidate(patient_client, "a", Terms().of("a")) as (elector, _):
        await until(lambda: elector.is_leader)

    assert [spec["holderIdentity"] for spec in lease.history] == ["a", "a", ""]


async def test_a_conflict_is_not_logged(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """Conflicts between candidates are normal."""
    lease = FakeLease(server)
    server.on("PUT", PATH, refuses(409), lease._put)

    with capture_logs() as lines:
        async with candidate(patient_client, "a", Terms().of("a")) as (elector, _):
            await until(lambda: elector.is_leader)

    assert [line["event"] for line in lines] == ["leadership_gained", "leadership_released"]


async def test_leaders_never_overlap(server: FakeApiServer, patient_client: ClusterClient) -> None:
    """Four times, the leader's writes hang, fail or lose their responses for 1.3 s: no two terms overlap."""
    chance = random.Random(20260301)
    lease, terms = FakeLease(server), Terms()
    async with AsyncExitStack() as stack:
        for identity in "abc":
            await stack.enter_async_context(candidate(patient_client, identity, terms.of(identity, 0.05)))
        for _ in range(4):
            await until(lambda: lease.holder != "")
            victim = lease.holder
            lease.hangs_for = lease.fails_for = lease.loses_answers_for = lambda _: False
            fault = chance.choice(["hangs_for", "fails_for", "loses_answers_for"])
            setattr(lease, fault, lambda identity, victim=victim: identity == victim)
            await asyncio.sleep(1.3)

    assert len(terms.ended) >= 3
    terms.assert_apart()

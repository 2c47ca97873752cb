"""A simulated cluster in which leaders rotate certificates: slow, interrupted, paused, several at a time.

Time passes only between operations, as the simulation decides. It records when each bundle and each serving
certificate was written, and shows afterwards whether an API server could have rejected one.
"""

from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import coroutine
from typing import Any, NamedTuple

from cryptography import x509

from app.errors import ClusterError, UnavailableError
from app.tls.keeper import CertificateKeeper
from app.tls.key_pairs import key_pair_of, parse_certificates
from app.tls.renewal import is_issued_by, is_valid_at
from app.tls.rotation import RotationPolicy
from tests.tls.issued import SeededKeys
from tests.tls.stores import InMemory, Moment

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Delays and faults of the cluster; everything but the shares is in seconds."""

    duration: float
    period: float
    trust_lag: float  # how long an API server may use a replaced bundle
    loading_lag: float  # how long a replica may serve a replaced certificate
    latency: float  # maximum of one direction of an operation
    pause: float  # maximum time for which a process is stopped
    downtime: float  # maximum time between two leaders
    pause_share: float = 0.02
    fault_share: float = 0.05
    term: float = 0  # maximum term of a leader; 0 means no end
    leaders: int = 1  # number of processes that act as leader at the same time


class Written(NamedTuple):
    """A stored value, and the time from which it was in force until the next write."""

    since: float
    value: bytes


@coroutine
def _sleep(seconds: float) -> Generator[float, None, None]:
    yield seconds


@dataclass
class Process:
    """One leader: its work, the time of its next operation, and the time at which it is killed."""

    work: Coroutine[Any, Any, None]
    due: float
    ends: float


@dataclass
class World:
    """Runs leaders under *conditions*; `bundles` and `served` hold all writes with their times."""

    conditions: Conditions
    terms: RotationPolicy
    random: Random
    now: float = 0
    bundles: list[Written] = field(default_factory=list)
    served: list[Written] = field(default_factory=list)
    takeovers: int = 0

    def __post_init__(self) -> None:
        self.stored = InMemory(self._written)

    def run(self) -> None:
        """Simulate the whole duration."""
        processes = [self._leader() for _ in range(self.conditions.leaders)]
        while True:
            process = min(processes, key=lambda process: min(process.due, process.ends))
            self.now = max(self.now, min(process.due, process.ends))
            if self.now > self.conditions.duration:
                break
            if process.ends <= process.due:
                process.work.close()
                processes.remove(process)
                processes.append(self._leader())
            else:
                process.due = self.now + process.work.send(None)
        for process in processes:
            process.work.close()

    def refusals(self) -> list[str]:
        """Each pair of a certificate that a replica could serve and a bundle that did not cover it then."""
        conditions = self.conditions
        return [
            f"served {served.since:.1f} to {served_until:.1f}, trusted {bundle.since:.1f} to {until:.1f}"
            for served, served_until in _with_end_of_use(
                self.served, conditions.loading_lag, conditions.duration
            )
            for bundle, until in _with_end_of_use(self.bundles, conditions.trust_lag, conditions.duration)
            if max(served.since, bundle.since) < min(served_until, until)
            and not _covers(bundle, served, max(served.since, bundle.since), min(served_until, until))
        ]

    def wall_clock(self) -> datetime:
        """The simulated wall-clock time."""
        return START + timedelta(seconds=self.now)

    def _leader(self) -> Process:
        """A new leader without state in memory; it starts after a downtime."""
        self.takeovers += 1
        keeper = CertificateKeeper(
            self.stored.stores(self._wire),
            self.terms,
            SeededKeys(self.random),
            wall_clock=self.wall_clock,
            elapsed_clock=lambda: self.now,
        )
        begins = self.now + self.random.uniform(0, self.conditions.downtime)
        term = self.random.uniform(0, self.conditions.term) if self.conditions.term else float("inf")
        return Process(self._lead(keeper), begins, begins + term)

    async def _lead(self, keeper: CertificateKeeper) -> None:
        while True:
            try:
                pause = await keeper.ensure()
            except ClusterError:
                pause = min(2.0, self.conditions.period)
            await _sleep(min(max(pause, 0.1), self.conditions.period))

    async def _wire(self, operation: str, _moment: Moment) -> None:
        """Delays an operation; the process may be stopped meanwhile, and request or response may be lost."""
        stopped = self.random.random() < self.conditions.pause_share
        longest = self.conditions.pause if stopped else self.conditions.latency
        await _sleep(self.random.uniform(0, longest))
        if self.random.random() < self.conditions.fault_share:
            raise UnavailableError(f"{operation}: no answer")

    def _written(self, title: str) -> None:
        if title == "trust":
            self.bundles.append(Written(self.now, self.stored.bundle))
        elif title == "serving":
            pair = key_pair_of(self.stored.serving.data)
            assert pair
            self.served.append(Written(self.now, pair.certificate))


def _with_end_of_use(written: list[Written], lag: float, end: float) -> list[tuple[Written, float]]:
    """Each written value with the time until which it may be in use."""
    replaced = [*(write.since for write in written[1:]), end]
    return [(write, min(moment + lag, end)) for write, moment in zip(written, replaced, strict=False)]


def _covers(bundle: Written, served: Written, since: float, until: float) -> bool:
    """True if one authority in *bundle* signed *served*, and both are valid from *since* to *until*."""
    moments = [START + timedelta(seconds=seconds) for seconds in (since, until)]
    leaf = parse_certificates(served.value)[0]

    def is_valid(certificate: x509.Certificate) -> bool:
        return all(is_valid_at(certificate, moment) for moment in moments)

    authorities = parse_certificates(bundle.value)
    return is_valid(leaf) and any(
        is_valid(authority) and is_issued_by(leaf, authority) for authority in authorities
    )

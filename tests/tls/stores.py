"""Secrets and the webhook configuration in memory: a journal of writes, and a fault where one is wanted."""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.tls.issuing import KeyPair
from app.tls.keeper import CertificateKeeper

NAMES = ("job-profiler.profiling.svc", "127.0.0.1")


class ProcessEndedError(Exception):
    """The process ends here."""


@dataclass(slots=True)
class PairInMemory:
    """A Secret."""

    title: str
    stores: "Stores"
    pair: KeyPair | None = None

    async def read(self) -> KeyPair | None:
        """What was written last."""
        return self.pair

    async def write(self, pair: KeyPair) -> None:
        """Keep the pair."""
        self.stores.before_write(self.title)
        self.pair = pair
        self.stores.after_write(self.title)


@dataclass(slots=True)
class TrustInMemory:
    """The `caBundle`."""

    stores: "Stores"
    bundle: bytes = b""

    async def read(self) -> bytes:
        """What was published last."""
        return self.bundle

    async def write(self, bundle: bytes) -> None:
        """Keep the bundle."""
        self.stores.before_write("trust")
        self.bundle = bundle
        self.stores.after_write("trust")


@dataclass(slots=True)
class Stores:
    """All three, and the order in which they were written."""

    journal: list[str] = field(default_factory=list)
    fails_before: str = ""
    fails_after: str = ""
    inspect: Callable[[], None] = lambda: None
    authority: PairInMemory = field(init=False)
    serving: PairInMemory = field(init=False)
    trust: TrustInMemory = field(init=False)

    def __post_init__(self) -> None:
        self.authority = PairInMemory("authority", self)
        self.serving = PairInMemory("serving", self)
        self.trust = TrustInMemory(self)

    def keeper(self, *names: str) -> CertificateKeeper:
        """A keeper as a new leader has it."""
        return CertificateKeeper(self.authority, self.serving, self.trust, names or NAMES)

    def before_write(self, title: str) -> None:
        """The write may be refused."""
        if title == self.fails_before:
            raise ProcessEndedError

    def after_write(self, title: str) -> None:
        """The write took place; the process may end just then."""
        self.journal.append(title)
        self.inspect()
        if title == self.fails_after:
            raise ProcessEndedError

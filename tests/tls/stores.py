"""Secrets and the webhook configuration in memory, as an API server has them, conflicts included."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.errors import ConflictError
from app.tls.keeper import CertificateStores

Moment = Literal["before", "after"]
# Awaited before and after each operation takes place: what a wire and the API server behind it may do.
Wire = Callable[[str, Moment], Awaitable[None]]


async def undisturbed(_operation: str, _moment: Moment) -> None:
    """Nothing happens on the way."""


@dataclass(slots=True)
class Kept:
    """One object; *written* is called for each change."""

    title: str
    written: Callable[[str], None]
    data: dict[str, bytes] = field(default_factory=dict)
    version: int = 0

    def put(self, data: Mapping[str, bytes]) -> None:
        """As anybody with the right may do."""
        self.data, self.version = dict(data), self.version + 1
        self.written(self.title)


@dataclass(slots=True)
class Handle:
    """One process' way to an object: a Secret or, by its two longer names, the `caBundle`."""

    kept: Kept
    wire: Wire
    seen: int = -1

    async def read(self) -> Mapping[str, bytes]:
        """The data now."""
        await self.wire(f"read {self.kept.title}", "before")
        data, self.seen = dict(self.kept.data), self.kept.version
        await self.wire(f"read {self.kept.title}", "after")
        return data

    async def write(self, data: Mapping[str, bytes]) -> None:
        """Replace what was read."""
        await self.wire(f"write {self.kept.title}", "before")
        if self.seen != self.kept.version:
            raise ConflictError(f"{self.kept.title} changed")
        self.kept.put(data)
        self.seen = self.kept.version
        await self.wire(f"write {self.kept.title}", "after")

    async def read_ca_bundle(self) -> bytes:
        """The bundle now."""
        return (await self.read()).get("bundle", b"")

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Replace the bundle that was read."""
        await self.write({"bundle": pem})


class InMemory:
    """All three objects, and the order in which they were written."""

    def __init__(self, written: Callable[[str], None] = lambda _: None) -> None:
        self.journal: list[str] = []
        self._told = written
        self.authority = Kept("authority", self._written)
        self.serving = Kept("serving", self._written)
        self.trust = Kept("trust", self._written)

    @property
    def bundle(self) -> bytes:
        """What the API server trusts."""
        return self.trust.data.get("bundle", b"")

    def stores(self, wire: Wire = undisturbed) -> CertificateStores:
        """The three as one process reaches them."""
        return CertificateStores(*(Handle(kept, wire) for kept in (self.authority, self.serving, self.trust)))

    def _written(self, title: str) -> None:
        self.journal.append(title)
        self._told(title)

"""Secrets and the webhook configuration in memory, with the API server's conflicts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.errors import ConflictError
from app.tls.keeper import CertificateStores

Moment = Literal["before", "after"]
# Awaited before and after each operation; it can delay the operation or raise the API server's error.
Wire = Callable[[str, Moment], Awaitable[None]]


async def undisturbed(_operation: str, _moment: Moment) -> None:
    """No delay and no error."""


@dataclass(slots=True)
class StoredObject:
    """One object; *written* is called for each change."""

    title: str
    written: Callable[[str], None]
    data: dict[str, bytes] = field(default_factory=dict)
    version: int = 0

    def put(self, data: Mapping[str, bytes]) -> None:
        """Store *data* unconditionally, as another client could."""
        self.data, self.version = dict(data), self.version + 1
        self.written(self.title)


@dataclass(slots=True)
class Handle:
    """The access of one process to an object: a Secret, or the `caBundle` by the two longer names."""

    stored_object: StoredObject
    wire: Wire
    seen: int = -1

    async def read(self) -> Mapping[str, bytes]:
        """The present data."""
        await self.wire(f"read {self.stored_object.title}", "before")
        data, self.seen = dict(self.stored_object.data), self.stored_object.version
        await self.wire(f"read {self.stored_object.title}", "after")
        return data

    async def write(self, data: Mapping[str, bytes]) -> None:
        """Replace the data that was read; raises ConflictError if another client changed it since."""
        await self.wire(f"write {self.stored_object.title}", "before")
        if self.seen != self.stored_object.version:
            raise ConflictError(f"{self.stored_object.title} changed")
        self.stored_object.put(data)
        self.seen = self.stored_object.version
        await self.wire(f"write {self.stored_object.title}", "after")

    async def read_ca_bundle(self) -> bytes:
        """The present bundle."""
        return (await self.read()).get("bundle", b"")

    async def publish_ca_bundle(self, pem: bytes) -> None:
        """Replace the bundle that was read."""
        await self.write({"bundle": pem})


class InMemory:
    """All three objects, and the order of their writes."""

    def __init__(self, written: Callable[[str], None] = lambda _: None) -> None:
        self.journal: list[str] = []
        self._on_write = written
        self.authority = StoredObject("authority", self._written)
        self.serving = StoredObject("serving", self._written)
        self.trust = StoredObject("trust", self._written)

    @property
    def bundle(self) -> bytes:
        """The bundle that API servers trust."""
        return self.trust.data.get("bundle", b"")

    def stores(self, wire: Wire = undisturbed) -> CertificateStores:
        """The three objects as one process accesses them."""
        return CertificateStores(
            *(Handle(stored_object, wire) for stored_object in (self.authority, self.serving, self.trust))
        )

    def _written(self, title: str) -> None:
        self.journal.append(title)
        self._on_write(title)

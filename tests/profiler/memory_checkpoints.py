"""In-memory store of check-points with the rules of an API server: versions, conflicts, faults on demand."""

from collections.abc import Callable
from itertools import count

from app.errors import ClusterError, ConflictError

MAX_BYTES = 1024 * 1024  # of a ConfigMap


class MemoryCheckpoints:
    """The store, which outlives leaders; `before(verb, name)` runs before each call and may raise."""

    def __init__(self) -> None:
        self.shards: dict[str, tuple[str, bytes]] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda _verb, _name: None
        self._versions = count(1)

    def count(self, verb: str) -> int:
        """The number of calls of *verb*."""
        return sum(called == verb for called, _ in self.calls)

    def overwrite(self, name: str, data: bytes) -> None:
        """Replace a shard as another writer would."""
        self.shards[name] = (str(next(self._versions)), data)

    async def versions(self) -> dict[str, str]:
        """The version of each shard by name."""
        self._record_call("list", "")
        return {name: version for name, (version, _) in self.shards.items()}

    async def read(self, name: str) -> bytes | None:
        """The content of a shard."""
        self._record_call("read", name)
        return self.shards[name][1] if name in self.shards else None

    async def write(self, name: str, data: bytes, version: str | None) -> str:
        """Create or replace a shard; ConflictError for an outdated version."""
        self._record_call("write", name)
        self._check(name, version)
        if len(data) > MAX_BYTES:
            raise ClusterError(f"{name}: Too long: may not be more than {MAX_BYTES} bytes")
        self.overwrite(name, data)
        return self.shards[name][0]

    async def remove(self, name: str, version: str) -> None:
        """Delete a shard; ConflictError for an outdated version."""
        self._record_call("remove", name)
        if name in self.shards:
            self._check(name, version)
            del self.shards[name]

    def _check(self, name: str, version: str | None) -> None:
        if self.shards.get(name, (None, b""))[0] != version:
            raise ConflictError(f"{name} was changed")

    def _record_call(self, verb: str, name: str) -> None:
        self.before(verb, name)
        self.calls.append((verb, name))


class Killed(BaseException):
    """The process was killed: nothing handles this exception."""


def dies_at(verb: str, number: int) -> Callable[[str, str], None]:
    """For `before`: kills the leader at call *number* of *verb* (counted from 0)."""
    calls = count()

    def before(called: str, _name: str) -> None:
        if called == verb and next(calls) == number:
            raise Killed

    return before


def fails(error: ClusterError, *verbs: str) -> Callable[[str, str], None]:
    """For `before`: raises *error* for *verbs*."""

    def before(called: str, _name: str) -> None:
        if called in verbs:
            raise error

    return before

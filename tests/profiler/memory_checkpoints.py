"""Check-points in memory, under the rules of an API server: versions, conflicts, and faults on demand."""

from collections.abc import Callable
from itertools import count

from app.errors import ClusterError, ConflictError


class MemoryCheckpoints:
    """Outlives the leaders that use it. *before* each call, `before(verb, name)` may raise."""

    def __init__(self) -> None:
        self.pieces: dict[str, tuple[str, bytes]] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda _verb, _name: None
        self._versions = count(1)

    def count(self, verb: str) -> int:
        """How many calls of *verb* came."""
        return sum(called == verb for called, _ in self.calls)

    def overwrite(self, name: str, data: bytes) -> None:
        """What somebody else did."""
        self.pieces[name] = (str(next(self._versions)), data)

    async def versions(self) -> dict[str, str]:
        """The version of each piece."""
        self._note("list", "")
        return {name: version for name, (version, _) in self.pieces.items()}

    async def read(self, name: str) -> bytes | None:
        """What is in it."""
        self._note("read", name)
        return self.pieces[name][1] if name in self.pieces else None

    async def write(self, name: str, data: bytes, version: str | None) -> str:
        """Create or replace."""
        self._note("write", name)
        self._check(name, version)
        self.overwrite(name, data)
        return self.pieces[name][0]

    async def remove(self, name: str, version: str) -> None:
        """Delete."""
        self._note("remove", name)
        if name in self.pieces:
            self._check(name, version)
            del self.pieces[name]

    def _check(self, name: str, version: str | None) -> None:
        if self.pieces.get(name, (None, b""))[0] != version:
            raise ConflictError(f"{name} was changed")

    def _note(self, verb: str, name: str) -> None:
        self.before(verb, name)
        self.calls.append((verb, name))


class Killed(BaseException):
    """The process is gone: nobody handles it."""


def dies_at(verb: str, number: int) -> Callable[[str, str], None]:
    """For `before`: the leader is killed as it makes that call (counted from 0)."""
    calls = count()

    def before(called: str, _name: str) -> None:
        if called == verb and next(calls) == number:
            raise Killed

    return before


def fails(error: ClusterError, *verbs: str) -> Callable[[str, str], None]:
    """For `before`: these verbs fail."""

    def before(called: str, _name: str) -> None:
        if called in verbs:
            raise error

    return before

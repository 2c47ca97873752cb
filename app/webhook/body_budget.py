"""The memory for the bodies of reviews that are being received, or wait for their turn; pure.

A body counts from its first part on, with what has arrived, not with what is announced, and until its review
is answered. If one more part exceeds the budget, the oldest body of the source address with the most bytes
has to give way: the reviews of an API server are complete within milliseconds, and are not the oldest.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The bytes of all bodies, and of those larger than `small_bytes`; the rest is for small ones."""

    total_bytes: int = 64 * MEBIBYTE
    large_total_bytes: int = 48 * MEBIBYTE
    small_bytes: int = 256 * 1024


class IncomingBody:
    """A body whose review is not answered; `give_way` ends it if others need its memory."""

    def __init__(self, source: str, give_way: Callable[[], None]) -> None:
        self.source, self.give_way = source, give_way
        self.data = bytearray()


class BodyBudget:
    """The bodies in the order of their arrival, within *limits*."""

    def __init__(self, limits: BodyLimits = BodyLimits()) -> None:
        self._limits = limits
        self._bodies: dict[IncomingBody, None] = {}
        self.total_bytes = self._large_bytes = 0

    def append(self, body: IncomingBody, part: bytes) -> bool:
        """Append *part* to *body*; False if the body itself has to give way, and is removed."""
        self._bodies.setdefault(body)
        self._count(body, -1)
        body.data += part
        self._count(body, 1)
        while body in self._bodies and (excess := self._excess()):
            self._give_way(excess)
        return body in self._bodies

    def remove(self, body: IncomingBody) -> None:
        """Forget *body*, which is answered or has ended; no effect if it had to give way before."""
        if body in self._bodies:
            del self._bodies[body]
            self._count(body, -1)

    def _excess(self) -> Collection[IncomingBody]:
        """The bodies of which one has to give way; empty within the limits."""
        if self._large_bytes > self._limits.large_total_bytes:
            return [body for body in self._bodies if self._is_large(body)]
        return self._bodies if self.total_bytes > self._limits.total_bytes else ()

    def _give_way(self, bodies: Collection[IncomingBody]) -> None:
        held = Counter[str]()
        for body in bodies:
            held[body.source] += len(body.data)
        [(source, _)] = held.most_common(1)
        oldest = next(body for body in bodies if body.source == source)
        self.remove(oldest)
        oldest.give_way()

    def _count(self, body: IncomingBody, sign: int) -> None:
        size = sign * len(body.data)
        self.total_bytes += size
        if self._is_large(body):
            self._large_bytes += size

    def _is_large(self, body: IncomingBody) -> bool:
        return len(body.data) > self._limits.small_bytes

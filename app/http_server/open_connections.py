"""The open connections of a listener: their deadlines, and the one that makes room for another; no I/O.

At a limit a newcomer takes the place of a connection that is worth less, of its own source address or of the
address with the most of that kind. It is refused only if a request is being processed on each of them.

A flood from hundreds of addresses has fewer connections on each than an API server. So of used connections,
addresses with up to 32 count as equal, and the one whose connections have served the fewest requests on
average loses one: a flood would have to send as many reviews on each of 500 connections.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from math import inf

_OF_AN_API_SERVER = 32


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The open connections that a listener keeps, in total and per source address.

    An API server keeps up to 25 idle connections per webhook entry, and opens one more for each review that
    finds none of them free. Behind konnectivity or NAT all API servers share one address: 256 are the idle
    connections of five API servers. A connection needs 30 kB, and 0.3 MB while it sends megabytes.
    """

    total: int = 512
    per_address: int = 256


class Stage(IntEnum):
    """How far a connection has come; connections of the first stages are dropped first."""

    HANDSHAKE = 0
    UNUSED = 1
    USED = 2  # a request was answered, or the client's certificate was accepted


def _nothing() -> None:
    """Placeholder until the slot has a connection."""


class Slot:
    """The place of one accepted connection.

    After `deadline`, in the event loop's time, `expire` is called. It is infinite while a complete request is
    being processed: such a connection is neither expired nor dropped. `drop` ends the connection at once.
    `served` counts the responses.
    """

    __slots__ = ("address", "deadline", "drop", "expire", "served", "stage")

    def __init__(self, address: str, deadline: float = inf) -> None:
        self.address, self.deadline = address, deadline
        self.stage = Stage.HANDSHAKE
        self.served = 0
        self.drop: Callable[[], object] = _nothing
        self.expire: Callable[[], object] = _nothing

    def detach(self) -> None:
        """Drop the references to a connection that ended, which would otherwise be a reference cycle."""
        self.drop = self.expire = _nothing


_Stages = tuple[set[Slot], set[Slot], set[Slot]]


class OpenConnections:
    """The slots by address and stage, within *limits*.

    With *verifies_clients*, a used connection has an accepted certificate, and counts for the total only.
    """

    def __init__(self, limits: ConnectionLimits, *, verifies_clients: bool = False) -> None:
        self._limits = limits
        self._counted = Stage.UNUSED if verifies_clients else Stage.USED
        self._by_address: dict[str, _Stages] = {}
        self._total = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[Slot]:
        for stages in self._by_address.values():
            for slots in stages:
                yield from slots

    @property
    def await_a_first_request(self) -> bool:
        """True if there is a connection on which no request was answered yet."""
        return any(slot.stage is not Stage.USED for slot in self)

    def admit(self, slot: Slot) -> bool:
        """Add *slot*, if needed in the place of another one; False if there is no room."""
        if self._count(slot.address) >= self._limits.per_address and not self._make_room([slot.address]):
            return False
        if self._total >= self._limits.total and not self._make_room(self._by_address):
            return False
        self._by_address.setdefault(slot.address, (set(), set(), set()))[slot.stage].add(slot)
        self._total += 1
        return True

    def advance(self, slot: Slot, stage: Stage) -> None:
        """Move *slot* to *stage*."""
        stages = self._by_address.get(slot.address)
        if stages and slot in stages[slot.stage]:
            stages[slot.stage].remove(slot)
            stages[stage].add(slot)
        slot.stage = stage

    def discard(self, slot: Slot) -> None:
        """Remove the slot of a connection that ended; no effect if it is removed already."""
        stages = self._by_address.get(slot.address)
        if stages and slot in stages[slot.stage]:
            stages[slot.stage].remove(slot)
            self._total -= 1
            if not any(stages):
                del self._by_address[slot.address]

    def expire(self, now: float) -> None:
        """Expire each connection after its deadline."""
        for slot in [slot for slot in self if slot.deadline <= now]:
            slot.expire()

    def drop_all(self, stage: Stage) -> None:
        """Drop each connection of *stage*."""
        for slot in [slot for slot in self if slot.stage is stage]:
            self._drop(slot)

    def _count(self, address: str) -> int:
        stages = self._by_address.get(address)
        return sum(map(len, stages[: self._counted + 1])) if stages else 0

    def _make_room(self, addresses: Iterable[str]) -> bool:
        """Drop one slot of the first stage: at the address with most of it, the one that expires first."""
        for stage in Stage:
            groups = [slots for address in addresses if (slots := self._idle(address, stage))]
            if groups:
                self._drop(_first(max(groups, key=_excess)))
                self.dropped += 1
                return True
        return False

    def _idle(self, address: str, stage: Stage) -> list[Slot]:
        """The slots of *address* in *stage* on which no request is processed."""
        return [slot for slot in self._by_address[address][stage] if slot.deadline < inf]

    def _drop(self, slot: Slot) -> None:
        self.discard(slot)
        slot.drop()


def _excess(slots: list[Slot]) -> tuple[float, float, float]:
    """The order of addresses, by their slots of one stage: the highest loses one."""
    fewest = _OF_AN_API_SERVER if slots[0].stage is Stage.USED else 0
    served = sum(slot.served for slot in slots) / len(slots)
    return max(len(slots), fewest), -served, -_first(slots).deadline


def _first(slots: list[Slot]) -> Slot:
    return min(slots, key=lambda slot: slot.deadline)

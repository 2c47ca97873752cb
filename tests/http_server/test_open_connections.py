"""The connection that makes room for another one, by stage, source address and deadline."""

from math import inf

import pytest

from app.http_server.open_connections import ConnectionLimits, OpenConnections, Slot, Stage

LIMITS = ConnectionLimits(total=6, per_address=3)


class Connection(Slot):
    """A slot that records its end."""

    def __init__(self, address: str, stage: Stage, deadline: float) -> None:
        super().__init__(address, deadline)
        self.wanted_stage = stage
        self.is_dropped = False
        self.drop = self._record

    def _record(self) -> None:
        self.is_dropped = True


def opened(connections: OpenConnections, address: str, stage: Stage, deadline: float) -> Connection:
    """A connection that was admitted, and has come to *stage*."""
    connection = Connection(address, stage, deadline)
    assert connections.admit(connection)
    connections.advance(connection, stage)
    return connection


@pytest.mark.parametrize(
    ("stages", "dropped"),
    [
        ((Stage.USED, Stage.UNUSED, Stage.HANDSHAKE), 2),
        ((Stage.USED, Stage.UNUSED, Stage.USED), 1),
        ((Stage.USED, Stage.USED, Stage.USED), 0),
    ],
    ids=["handshake-first", "then-unused", "then-the-first-deadline"],
)
def test_an_address_at_its_limit_loses_its_least_valuable_connection(
    stages: tuple[Stage, ...], dropped: int
) -> None:
    """The fourth connection of an address takes the place of one of its three; other addresses lose none."""
    connections = OpenConnections(LIMITS)
    other = opened(connections, "b", Stage.HANDSHAKE, 1)
    own = [opened(connections, "a", stage, 10 + number) for number, stage in enumerate(stages)]
    assert connections.admit(Slot("a", 20))

    assert [connection.is_dropped for connection in own] == [number == dropped for number in range(3)]
    assert (other.is_dropped, len(connections), connections.dropped) == (False, 4, 1)


def test_a_connection_with_a_request_in_progress_is_never_dropped() -> None:
    """Its deadline is infinite; if all are so, the newcomer is refused."""
    connections = OpenConnections(LIMITS)
    busy = [opened(connections, "a", Stage.UNUSED, inf) for _ in range(3)]

    assert not connections.admit(Slot("a", 20))
    busy[1].deadline = 30
    assert connections.admit(Slot("a", 20))
    assert [connection.is_dropped for connection in busy] == [False, True, False]


def test_at_the_total_limit_the_address_with_the_most_of_a_stage_loses_one() -> None:
    """Of unused connections, `a` has three and `b` one; `c` has one that is used, and comes in anew."""
    connections = OpenConnections(LIMITS)
    flood = [opened(connections, "a", Stage.UNUSED, 10 + number) for number in range(3)]
    others = [
        opened(connections, "b", Stage.UNUSED, 1),
        opened(connections, "c", Stage.USED, 1),
        opened(connections, "d", Stage.USED, 1),
    ]
    assert connections.admit(Slot("c", 20))

    assert [connection.is_dropped for connection in flood] == [True, False, False]
    assert not any(connection.is_dropped for connection in others)


def test_a_flood_from_many_addresses_loses_its_own_used_connections() -> None:
    """300 addresses with one answered request each, beside an API server: ten connections, 50 requests.

    The flood's first deadline is the last of all, as of a client that comes later.
    """
    connections = OpenConnections(ConnectionLimits(total=310))
    api_server = [opened(connections, "api", Stage.USED, 1) for _ in range(10)]
    for number, slot in enumerate(api_server):
        slot.served = 5 if number else 9
    flood = [opened(connections, f"10.0.0.{number}", Stage.USED, 100 + number) for number in range(300)]
    for slot in flood:
        slot.served = 1
    for number in range(200):
        newcomer = Slot(f"10.0.1.{number}", 500)
        assert connections.admit(newcomer)
        connections.advance(newcomer, Stage.USED)
        newcomer.served = 1

    assert not any(slot.is_dropped for slot in api_server)
    assert sum(slot.is_dropped for slot in flood) == 200


def test_an_address_with_more_connections_than_an_api_server_loses_its_own() -> None:
    """40 that served 1,000 requests each, beside one with 20 that served one."""
    connections = OpenConnections(ConnectionLimits(total=60))
    few = [opened(connections, "b", Stage.USED, 1) for _ in range(20)]
    many = [opened(connections, "a", Stage.USED, 100) for _ in range(40)]
    for slot in many:
        slot.served = 1000
    assert connections.admit(Slot("c", 500))

    assert (sum(slot.is_dropped for slot in few), sum(slot.is_dropped for slot in many)) == (0, 1)


def test_connections_with_an_accepted_certificate_count_for_the_total_only() -> None:
    """Four used connections of one address beside three without a certificate, whose limit is three."""
    connections = OpenConnections(ConnectionLimits(total=10, per_address=3), verifies_clients=True)
    verified = [opened(connections, "a", Stage.USED, 10) for _ in range(4)]
    unknown = [opened(connections, "a", Stage.UNUSED, 10 + number) for number in range(4)]

    assert not any(connection.is_dropped for connection in verified)
    assert [connection.is_dropped for connection in unknown] == [True, False, False, False]


def test_only_connections_after_their_deadline_expire() -> None:
    """At 10, those with a deadline of 9 and 10 expire, the one with 11 does not."""
    connections = OpenConnections(LIMITS)
    expired = list[float]()
    for deadline in (9.0, 10.0, 11.0):
        slot = Slot("a", deadline)
        slot.expire = lambda deadline=deadline: expired.append(deadline)  # type: ignore[misc]
        connections.admit(slot)
    connections.expire(10)

    assert sorted(expired) == [9, 10]


def test_an_ended_connection_leaves_nothing_behind() -> None:
    """Discarding twice counts once, and a late change of its stage does not bring it back."""
    connections = OpenConnections(LIMITS)
    slot = opened(connections, "a", Stage.UNUSED, 10)
    for _ in range(2):
        connections.discard(slot)
    connections.advance(slot, Stage.USED)

    assert (len(connections), list(connections)) == (0, [])

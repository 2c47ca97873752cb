"""The peers of a workload, from connection profiles."""

from typing import Any

import pytest

from app.decisions.peers import Direction, peers_of, read_edges
from app.domain.workloads import Workload
from tests.decisions.manifests import edge

WEB = Workload("shop", "web", "")
EDGES = [
    edge("web", "db", "60.00", steps={"messagesPerMinute": {"p95": "90.00", "maximum": "120.00"}}),
    edge(
        *("bot", "web", "20.00"),
        requestBytesPerSecond="100",
        responseBytesPerSecond="300",
        steps={"requestBytesPerSecond": {"p95": "150"}, "responseBytesPerSecond": {"p95": "400"}},
    ),
    edge("db", "cache", "500.00"),
]


def test_both_directions_with_their_shares() -> None:
    """Web has 60 + 20 messages: 75 % with db. The bytes of db are not measured, so bot has all of them."""
    bot, db = peers_of(WEB, read_edges(EDGES))

    assert (db.direction, db.workload, db.messages, db.messages_p95) == (
        Direction.CALLS,
        Workload("shop", "db"),
        60.0,
        90.0,
    )
    assert (db.message_share, db.byte_share, db.sent) == (0.75, None, None)
    assert (bot.direction, bot.message_share, bot.byte_share, bot.share) == (
        Direction.CALLED_BY,
        0.25,
        1.0,
        1.0,
    )


def test_sent_and_received_are_those_of_the_workload() -> None:
    """Bot's requests, 100 B/s, are received by web, whose responses are 300 B/s."""
    bot, _ = peers_of(WEB, read_edges(EDGES))

    assert (bot.received, bot.received_p95, bot.sent, bot.sent_p95) == (100.0, 150.0, 300.0, 400.0)


def test_a_workload_that_calls_itself_has_both_directions() -> None:
    """One connection is then two peers, each with half of the messages."""
    found = peers_of(WEB, read_edges([edge("web", "web", "10.00")]))

    assert [(peer.direction, peer.message_share) for peer in found] == [
        (Direction.CALLED_BY, 0.5),
        (Direction.CALLS, 0.5),
    ]


def test_another_kind_of_the_same_name_is_another_workload() -> None:
    """With a kind, only connections of this kind count."""
    assert peers_of(Workload("shop", "web", "StatefulSet"), read_edges(EDGES)) == []


def test_a_kind_in_other_letters() -> None:
    """`explain` and `changes` take the kind of a workload in any case, and so does this."""
    assert (
        len(peers_of(Workload("shop", "web", "deployment"), read_edges(EDGES)))
        == len(peers_of(WEB, read_edges(EDGES)))
        > 0
    )


def test_what_people_wrote_counts_as_absent() -> None:
    """A rate that is no number is 0, and an object without ends is no connection."""
    (peer,) = peers_of(WEB, read_edges([edge("web", "db", "many", steps=[]), {"spec": None}]))

    assert (peer.messages, peer.message_share) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({"countedBy": "netobserv", "sampledOneIn": 50}, "netobserv (bytes only, sampled 1 in 50)"),
        ({"countedBy": "service-graph", "sampledOneIn": 2.5}, "service-graph (sampled 1 in 2.5)"),
        ({"countedBy": "linkerd, istio"}, "linkerd, istio"),
        ({"countedBy": "obi", "sampledOneIn": "50"}, "obi (bytes only)"),
        ({"countedBy": "hubble", "sampledOneIn": 1e309}, "hubble"),
        ({"countedBy": ["hubble"], "sampledOneIn": True}, ""),
        ({}, ""),
    ],
)
def test_what_counts_a_connection_is_read_from_its_status(status: dict[str, Any], shown: str) -> None:
    """A ratio is a number; what people wrote in another form, or no provider's name, counts as absent."""
    [read] = read_edges([edge("web", "api", "1.00", **status)])

    assert str(read.counting) == shown

"""Requests, responses and scrapes joined into samples of connections."""

from dataclasses import replace

import numpy as np
import pytest

from app.domain.connection_providers import Provider
from app.domain.protocols import Protocol
from app.domain.workloads import Connection, Workload
from app.history.samples import ConnectionSamples, EdgeFault
from app.sources.connections.edges import EdgeRates, EndpointNaming, concatenate_samples, join_connections
from app.sources.queries import Scope
from app.sources.query_result import Key, SeriesMatrix
from tests.sources.wire import STEPS

NAN = np.nan
WEB_EMOJI = ("emojivoto", "web", "emojivoto", "emoji")
WEB_VOTING = ("emojivoto", "web", "emojivoto", "voting")
SHOP_WEB = ("shop", "cart", "emojivoto", "web")
WEB, CART = Workload("emojivoto", "web"), Workload("shop", "cart")


def table(rows: dict[tuple[str, ...], list[float]], unusable: int = 0) -> SeriesMatrix:
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(STEPS))
    return SeriesMatrix(tuple(rows), values, unusable)


NOTHING = table({})
EVERYTHING = Scope()


def workload(key: Key) -> Workload | None:
    """Keys are namespace and name; a question mark is an unknown endpoint."""
    namespace, name = key
    return None if name == "?" else Workload(namespace, name)


def join(
    requests: SeriesMatrix, responses: SeriesMatrix, scrapes: SeriesMatrix, scope: Scope = EVERYTHING
) -> ConnectionSamples:
    rates = EdgeRates(requests, responses, NOTHING, NOTHING)
    return join_connections(rates, scrapes, EndpointNaming(2, workload, workload), scope=scope, steps=STEPS)


def test_sides_are_joined_by_edge() -> None:
    """An edge that one side lacks is NaN there, and unusable samples of both sides add up: 1 + 2 = 3."""
    requests = table({WEB_VOTING: [1, 1, NAN, 1], WEB_EMOJI: [2, 2, 2, 2]}, unusable=1)
    responses = table({WEB_VOTING: [0.9, 0.9, 0.9, 0.9]}, unusable=2)

    joined = join(requests, responses, NOTHING)

    assert joined.edges == (
        Connection(WEB, Workload("emojivoto", "voting")),
        Connection(WEB, Workload("emojivoto", "emoji")),
    )
    np.testing.assert_array_equal(joined.requests, [[1, 1, NAN, 1], [2, 2, 2, 2]])
    np.testing.assert_array_equal(joined.responses, [[0.9] * 4, [NAN] * 4])
    assert joined.unusable == 3


def test_scraped_by_up() -> None:
    """Two scrapes in a step are enough for a rate; none, one, or no `up` at all are not."""
    scrapes = table({("emojivoto", "web"): [5, 2, 1, NAN], ("shop", "cart"): [0, 0, 0, 5]})

    joined = join(NOTHING, NOTHING, scrapes)

    assert joined.edges == ()
    assert joined.sources == (WEB, CART)
    np.testing.assert_array_equal(joined.scraped, [[True, True, False, False], [False, False, False, True]])


def test_scraped_by_any_edge_without_up() -> None:
    """Without `up` any sample of any edge shows that the source was scraped: in steps 1, 2 and 4."""
    requests = table({WEB_EMOJI: [2, NAN, NAN, NAN], WEB_VOTING: [NAN, 0, NAN, NAN]})
    responses = table({WEB_VOTING: [NAN, NAN, NAN, 1]})

    joined = join(requests, responses, NOTHING)

    assert joined.sources == (WEB,)
    np.testing.assert_array_equal(joined.scraped, [[True, True, False, True]])


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), 2),
        (Scope(included=("shop",)), 1),
        (Scope(included=("emojivoto",)), 2),
        (Scope(excluded=("shop",)), 1),
        (Scope(included=("elsewhere",)), 0),
    ],
    ids=["all", "by its source", "by its destination", "excluded", "neither end"],
)
def test_edges_in_scope(scope: Scope, expected: int) -> None:
    """shop/cart calls emojivoto/web, which calls emojivoto/emoji: an edge needs one endpoint in scope."""
    requests = table({SHOP_WEB: [1] * 4, WEB_EMOJI: [1] * 4})

    joined = join(requests, NOTHING, NOTHING, scope)

    assert len(joined.edges) == expected
    assert joined.requests.shape == (expected, 4)
    assert len(joined.scraped) == len(joined.sources)


def test_excluded_sources_are_left_out() -> None:
    """`up` of an excluded namespace makes no source."""
    scrapes = table({("kube-system", "dns"): [5] * 4})

    joined = join(NOTHING, NOTHING, scrapes, Scope(excluded=("kube-system",)))

    assert joined.sources == ()
    assert joined.scraped.shape == (0, 4)


def test_unknown_endpoints_are_dropped_and_counted() -> None:
    """Two edges with one unknown endpoint each; the source of the second one still counts as scraped."""
    requests = table(
        {
            ("emojivoto", "?", "emojivoto", "emoji"): [1] * 4,
            ("emojivoto", "web", "emojivoto", "?"): [1] * 4,
            SHOP_WEB: [1] * 4,
        }
    )
    scrapes = table({("emojivoto", "web"): [5] * 4})

    joined = join(requests, NOTHING, scrapes)

    assert joined.edges == (Connection(CART, WEB),)
    assert joined.dropped == {(EdgeFault.UNKNOWN_END, "emojivoto"): 2}
    assert joined.sources == (WEB, CART)


def test_bytes_without_requests_make_an_edge() -> None:
    """An edge without a sample of bytes has NaN; one with bytes alone is TCP. 1 + 2 unusable = 3."""
    written = table({WEB_EMOJI: [9] * 4, SHOP_WEB: [9] * 4}, unusable=1)
    rates = EdgeRates(
        table({WEB_EMOJI: [1] * 4, WEB_VOTING: [1] * 4}), NOTHING, written, table({}, unusable=2)
    )

    joined = join_connections(
        rates, NOTHING, EndpointNaming(2, workload, workload), scope=Scope(), steps=STEPS
    )

    assert [edge.destination.name for edge in joined.edges] == ["emoji", "voting", "web"]
    np.testing.assert_array_equal(joined.request_bytes, [[9] * 4, [NAN] * 4, [9] * 4])
    np.testing.assert_array_equal(joined.requests, [[1] * 4, [1] * 4, [NAN] * 4])
    assert joined.protocols is not None
    assert joined.protocols.tolist() == [Protocol.HTTP, Protocol.HTTP, Protocol.TCP]
    assert joined.unusable == 3
    assert joined.scraped.all()


def test_two_meshes_give_one_result() -> None:
    """Each has an edge and a source; an empty one adds nothing, and two empty ones are empty."""
    first = join(table({WEB_EMOJI: [1] * 4}), NOTHING, NOTHING)
    second = join(table({SHOP_WEB: [2] * 4}, unusable=1), NOTHING, NOTHING)
    empty = join(NOTHING, NOTHING, NOTHING)

    both = concatenate_samples([first, second])

    assert both.edges == first.edges + second.edges
    np.testing.assert_array_equal(both.requests, [[1] * 4, [2] * 4])
    assert both.sources == (WEB, CART)
    assert both.unusable == 1
    assert concatenate_samples([empty, second]) is second
    assert concatenate_samples([empty, empty]) is empty


def test_an_end_without_a_namespace_may_be_in_scope() -> None:
    """An edge of a name alone is kept, unless the other end is excluded or no workload can have the name."""
    rates = table(
        {
            ("", "web", "shop", "cart"): [1] * 4,
            ("", "web", "kube-system", "dns"): [1] * 4,
            ("", "Web Shop", "shop", "cart"): [1] * 4,
        }
    )

    joined = join(rates, NOTHING, NOTHING, Scope(included=("elsewhere",), excluded=("kube-system",)))

    assert joined.edges == (Connection(Workload("", "web"), CART),)
    assert joined.dropped == {(EdgeFault.IMPOSSIBLE_NAME, ""): 1}


def test_the_sampling_of_any_part_is_that_of_all() -> None:
    """Of two parts, one states that it looks at one request in ten."""
    part = join(table({WEB_EMOJI: [1] * 4}), NOTHING, NOTHING)
    sampled = replace(part, sampling={Provider.SERVICE_GRAPH: 10.0})

    assert concatenate_samples([part, sampled]).sampling == {Provider.SERVICE_GRAPH: 10.0}

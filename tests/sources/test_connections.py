"""How requests, responses and scrapes become one answer on connections."""

import numpy as np
import pytest

from app.domain.workloads import Connection, Workload
from app.sources.answers import Matrix
from app.sources.connections import join_connections
from app.sources.queries import Scope
from tests.sources.wire import STEPS

NAN = np.nan
WEB_EMOJI = ("emojivoto", "web", "emojivoto", "emoji")
WEB_VOTING = ("emojivoto", "web", "emojivoto", "voting")
SHOP_WEB = ("shop", "cart", "emojivoto", "web")
WEB, CART = Workload("emojivoto", "web"), Workload("shop", "cart")


def table(rows: dict[tuple[str, ...], list[float]], unusable: int = 0) -> Matrix:
    values = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), len(STEPS))
    return Matrix(tuple(rows), values, unusable)


NOTHING = table({})


def test_sides_are_joined_by_edge() -> None:
    """An edge that one side lacks is NaN there, and unusable samples of both sides add up: 1 + 2 = 3."""
    requests = table({WEB_VOTING: [1, 1, NAN, 1], WEB_EMOJI: [2, 2, 2, 2]}, unusable=1)
    responses = table({WEB_VOTING: [0.9, 0.9, 0.9, 0.9]}, unusable=2)

    joined = join_connections(requests, responses, NOTHING, steps=STEPS, scope=Scope())

    assert joined.edges == (
        Connection(WEB, Workload("emojivoto", "emoji")),
        Connection(WEB, Workload("emojivoto", "voting")),
    )
    np.testing.assert_array_equal(joined.requests, [[2, 2, 2, 2], [1, 1, NAN, 1]])
    np.testing.assert_array_equal(joined.responses, [[NAN] * 4, [0.9] * 4])
    assert joined.unusable == 3


def test_scraped_by_up() -> None:
    """Two scrapes in a step make a rate possible; none, one, or no `up` at all do not."""
    scrapes = table({("emojivoto", "web"): [5, 2, 1, NAN], ("shop", "cart"): [0, 0, 0, 5]})

    joined = join_connections(NOTHING, NOTHING, scrapes, steps=STEPS, scope=Scope())

    assert joined.edges == ()
    assert joined.sources == (WEB, CART)
    np.testing.assert_array_equal(joined.scraped, [[True, True, False, False], [False, False, False, True]])


def test_scraped_by_any_edge_where_there_is_no_up() -> None:
    """Without `up` any sample of any edge tells that the source was scraped: in steps 1, 2 and 4."""
    requests = table({WEB_EMOJI: [2, NAN, NAN, NAN], WEB_VOTING: [NAN, 0, NAN, NAN]})
    responses = table({WEB_VOTING: [NAN, NAN, NAN, 1]})

    joined = join_connections(requests, responses, NOTHING, steps=STEPS, scope=Scope())

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
    """shop/cart calls emojivoto/web, which calls emojivoto/emoji: each scope keeps what touches it."""
    requests = table({SHOP_WEB: [1] * 4, WEB_EMOJI: [1] * 4})

    joined = join_connections(requests, NOTHING, NOTHING, steps=STEPS, scope=scope)

    assert len(joined.edges) == expected
    assert joined.requests.shape == (expected, 4)
    assert len(joined.scraped) == len(joined.sources)


def test_excluded_sources_are_left_out() -> None:
    """`up` of an excluded namespace tells nothing that is asked for."""
    scrapes = table({("kube-system", "dns"): [5] * 4})

    joined = join_connections(NOTHING, NOTHING, scrapes, steps=STEPS, scope=Scope(excluded=("kube-system",)))

    assert joined.sources == ()
    assert joined.scraped.shape == (0, 4)

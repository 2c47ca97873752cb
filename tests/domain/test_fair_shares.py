"""Namespaces take turns for a limited number of places, or one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.fair_shares import fair_shares, in_turn, take_turns

DEMANDS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 50), min_size=1)


@pytest.mark.parametrize(
    ("demands", "places", "expected"),
    [
        ({"evil": 60_000, "shop": 40}, 100, {"evil": 60, "shop": 40}),
        ({"evil": 60_000, "shop": 90}, 100, {"evil": 50, "shop": 50}),
        ({"c": 9, "a": 9, "b": 9}, 8, {"a": 3, "b": 3, "c": 2}),
        ({"a": 1, "b": 1}, 5, {"a": 1, "b": 1}),
        ({"a": 1, "b": 1}, -1, {"a": 0, "b": 0}),
        ({}, 5, {}),
    ],
)
def test_shares(demands: dict[str, int], places: int, expected: dict[str, int]) -> None:
    """A demand within an equal share is met; the others get as much as each other, one more in name order."""
    assert fair_shares(demands, places) == expected


@given(demands=DEMANDS, places=st.integers(0, 200))
def test_a_namespace_within_its_share_loses_nothing(demands: dict[str, int], places: int) -> None:
    """No place is wasted, none is given twice, and no demand up to places / namespaces is cut."""
    shares = fair_shares(demands, places)

    assert sum(shares.values()) == min(places, sum(demands.values()))
    for namespace, demand in demands.items():
        assert shares[namespace] <= demand
        assert shares[namespace] >= min(demand, places // len(demands))


def test_the_first_items_of_a_namespace_are_taken() -> None:
    """Three places for aaaa and b: two of a, in their order, and the one of b."""
    items = ["a1", "a2", "a3", "b1", "a4"]

    assert take_turns(items, lambda item: item[0], 3) == ["a1", "a2", "b1"]


def test_namespaces_are_in_turn() -> None:
    """The second a comes after the first b; within a namespace the order stays."""
    items = ["a2", "a1", "a3", "b9", "c5", "b1"]

    assert in_turn(items, lambda item: item[0]) == ["a2", "b9", "c5", "a1", "b1", "a3"]

"""Shares of a limited number of places, or an order, of namespaces that take turns."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")


def fair_shares(demands: Mapping[str, int], places: int) -> dict[str, int]:
    """The places of each namespace: all that it demands, or as many as any other that lacks some.

    The result is that of turns in which each namespace takes one place, in order of name, until its demand is
    met or no place is left. So a namespace that demands at most `places / len(demands)` gets all of it.
    """
    shares: dict[str, int] = {}
    places = max(places, 0)
    waiting = sorted(demands, key=lambda namespace: (demands[namespace], namespace))
    for number, namespace in enumerate(waiting):
        share = places // (len(waiting) - number)
        if demands[namespace] > share:
            # No later one demands less. The places that do not divide go to the first by name.
            rest = sorted(waiting[number:])
            more = places - share * len(rest)
            return shares | {name: share + (turn < more) for turn, name in enumerate(rest)}
        shares[namespace] = demands[namespace]
        places -= demands[namespace]
    return shares


def take_turns(items: Iterable[T], namespace_of: Callable[[T], str], places: int) -> list[T]:
    """The items that get one of *places*; within a namespace the first ones, in the order of *items*."""
    items = list(items)
    shares = fair_shares(Counter(map(namespace_of, items)), places)
    taken = []
    for item in items:
        namespace = namespace_of(item)
        if shares[namespace] > 0:
            shares[namespace] -= 1
            taken.append(item)
    return taken


def in_turn(items: Iterable[T], namespace_of: Callable[[T], str]) -> list[T]:
    """The items in an order in which namespaces take turns; those of one namespace stay in their order."""
    turns: Counter[str] = Counter()
    numbered = []
    for item in items:
        turns[namespace := namespace_of(item)] += 1
        numbered.append((turns[namespace], item))
    return [item for _, item in sorted(numbered, key=itemgetter(0))]


def within_size(entries: Mapping[str, str], namespace_of: Callable[[str], str], size: int) -> dict[str, str]:
    """The entries that fit in so many characters, in their order; namespaces take turns."""
    kept = set()
    for name in in_turn(entries, namespace_of):
        size -= len(name) + len(entries[name])
        if size < 0:
            break
        kept.add(name)
    return {name: text for name, text in entries.items() if name in kept}

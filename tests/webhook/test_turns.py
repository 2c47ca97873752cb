"""Reviews that take long have their turns; others do not wait."""

import asyncio
from time import perf_counter, thread_time

import pytest

from app.errors import ReviewError
from app.webhook.turns import Turns

ORDINARY, LARGE = 10_000, 100_000


async def in_turn(turns: Turns, source: str, size: int, order: list[str], seconds: float = 0) -> None:
    """Has a turn of *seconds*."""
    async with turns.turn(source, size):
        order.append(f"{source}{size}")
        await asyncio.sleep(seconds)


def test_only_long_reviews_need_a_turn() -> None:
    """Those are large ones, and all of a source for a second after costly ones of 0.05 s within a second."""
    turns = Turns()
    assert not turns.are_needed("a", ORDINARY, 10)
    assert turns.are_needed("a", LARGE, 10)
    turns.observe("a", ORDINARY, 0.001, 9.9)
    turns.observe("a", ORDINARY, 0.04, 10.04)
    turns.observe("a", LARGE, 0.1, 10.2)
    for _ in range(1000):
        turns.observe("a", ORDINARY, 0.0001, 10.2)
    assert not turns.are_needed("a", ORDINARY, 10.3)
    turns.observe("a", ORDINARY, 0.02, 10.32)

    assert (turns.are_needed("a", ORDINARY, 11.3), turns.are_needed("b", ORDINARY, 11.3)) == (True, False)
    assert not turns.are_needed("a", ORDINARY, 11.4)


def test_costly_reviews_now_and_then_need_no_turn() -> None:
    """Two of 0.04 s every second, as garbage collections may cause: the first does not count."""
    turns = Turns()
    for second in range(10):
        turns.observe("a", ORDINARY, 0.04, second)
        turns.observe("a", ORDINARY, 0.04, second + 0.5)

    assert not turns.are_needed("a", ORDINARY, 9.5)


def test_reviews_that_wait_for_the_cpu_need_no_turn() -> None:
    """After one that took 0.06 s by the wall clock, CPU time counts, for a second and for its source."""
    turns = Turns()
    assert turns.clock("a", 10) is perf_counter
    turns.observe("a", ORDINARY, 0.06, 10)

    assert not turns.are_needed("a", ORDINARY, 10)
    assert (turns.clock("a", 10.9), turns.clock("b", 10.9)) == (thread_time, perf_counter)
    assert turns.clock("a", 11.1) is perf_counter


async def test_sources_and_sizes_take_turns() -> None:
    """While `a` has its turn, four more of `a`, an ordinary one of `a` and one of `b` come: both overtake."""
    turns, order = Turns(), list[str]()
    arrivals = [("a", LARGE)] * 5 + [("a", ORDINARY), ("b", LARGE)]
    await asyncio.gather(*(in_turn(turns, source, size, order) for source, size in arrivals))

    assert order[:4] == ["a100000", "a100000", "a10000", "b100000"]
    assert order[4:] == ["a100000"] * 3


async def test_between_two_turns_the_event_loop_is_free_for_as_long() -> None:
    """Of two turns of 0.1 s the second begins 0.2 s after the first."""
    turns, order, loop = Turns(), list[str](), asyncio.get_running_loop()
    began = loop.time()
    first = asyncio.create_task(in_turn(turns, "a", LARGE, order, 0.1))
    await asyncio.sleep(0)
    async with turns.turn("b", LARGE):
        waited = loop.time() - began
    await first

    assert waited >= 0.19


async def test_a_review_that_waits_too_long_is_refused_and_holds_no_turn() -> None:
    """The status is 503, which lets the Pod pass; the next turn is free."""
    turns, order = Turns(max_wait_seconds=0.05), list[str]()
    first = asyncio.create_task(in_turn(turns, "a", LARGE, order, 0.2))
    await asyncio.sleep(0)
    with pytest.raises(ReviewError) as refused:
        await in_turn(turns, "b", LARGE, order)
    await first
    await asyncio.sleep(0.25)
    await in_turn(turns, "c", LARGE, order)

    assert refused.value.status == 503
    assert order == ["a100000", "c100000"]


async def test_a_cancelled_review_passes_its_turn_on() -> None:
    """Cancelled at the moment at which its turn came, it would otherwise block all later ones."""
    turns, order = Turns(), list[str]()
    async with turns.turn("a", LARGE):
        cancelled = asyncio.create_task(in_turn(turns, "b", LARGE, order))
        await asyncio.sleep(0)
    turns._pass_on()
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await asyncio.wait_for(in_turn(turns, "c", LARGE, order), 1)

    assert order == ["c100000"]

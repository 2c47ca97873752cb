"""A clock that runs ahead and is set back: the history is that of a clock which was always right."""

import pytest

from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import Scenario
from tests.recommendation.learning import facts

AHEAD = 1000.0  # cores, in samples with times that are still to come


@pytest.mark.parametrize("minutes", [90, 12 * 60, 24 * 60 + 100, 30 * 60])
async def test_a_clock_that_went_ahead_and_back(minutes: int) -> None:
    """That of the node, which the server has too: it has samples with times that are still to come.

    They marked the steps between as read, for as long as the clock had been ahead, and in the rings of
    connections displaced those of the last 24 hours. Today is read again.
    """
    straight, scenario = Scenario(EmojivotoPrometheus()), Scenario(EmojivotoPrometheus())
    containers = dict(scenario.prometheus.containers)
    await scenario.cycle()
    scenario.prometheus.containers = dict.fromkeys(containers, (AHEAD, 1000000000.0))
    await scenario.cycle(minutes)
    scenario.prometheus.containers = containers

    for each in (straight, scenario):
        await each.cycle(5)
        await each.cycle(10)

    assert facts(scenario._cycle._learned) == facts(straight._cycle._learned)
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Ok"}


async def test_a_clock_that_was_adjusted() -> None:
    """Ten minutes back, the step that is the newest one now had settled: no usage is asked for again."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle(10)
    asked = len(scenario.prometheus.questions)

    await scenario.cycle(0)

    signals = {question.signal for question in scenario.prometheus.questions[asked:]}
    assert signals.isdisjoint({"cpu", "memory"})

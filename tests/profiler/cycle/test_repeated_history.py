"""A past that is queried in part twice, out of order and after a restart gives the same profiles."""

import random
from dataclasses import replace
from datetime import timedelta

import httpx
import numpy as np
import pytest

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import Profile, Resource
from app.history.checkpoint.split import LearnedState
from app.history.connection_history import ConnectionHistory
from app.history.samples import STEPS_PER_DAY, ConnectionSamples, ContainerSamples, StepRange
from app.history.usage_history import UsageHistory
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import RETAINED_DAYS
from app.profiler.cycle.derivation import ProfileDerivation, StoredValues
from app.profiler.cycle.resolution import resolve
from app.profiler.cycle.signals import PAST_UNREAD, Health, Signal, SignalState
from app.recommendation.policy import EstimationPolicy
from app.sources.planning import DEFAULT_SAMPLE_BUDGET
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.profiler.emojivoto_prometheus import SIGNALS, EmojivotoPrometheus, Question
from tests.profiler.scenario import NEWEST_STEP_SECONDS, NOON, Scenario, in_scope
from tests.profiler.varying_usage import varying_prometheus

NEWEST_STEP = NEWEST_STEP_SECONDS // 300
ALL_OK = [SignalState(signal, Health.OK, "Answered", "") for signal in (*Resource, Signal.CONNECTIONS)]
HOURS_BEFORE_NOON = (31, 25, 19, 13, 5, 0)


async def asked_once() -> Scenario:
    """The whole past in the one cycle of noon."""
    scenario = Scenario(varying_prometheus())
    await scenario.cycle()
    return scenario


async def test_cycles_of_a_day_end_in_what_one_cycle_learns() -> None:
    """Six cycles over 31 hours, each asking for what is new, against one that asks for all at the end.

    The first of them is of the day before: its two days of history are three as seen from noon.
    """
    piecemeal = Scenario(varying_prometheus(), history_days=2)
    whole = Scenario(varying_prometheus(), history_days=3)
    for hours in HOURS_BEFORE_NOON:
        await piecemeal.cycle(minutes=-60 * hours)
    await whole.cycle()

    assert piecemeal.learned() == whole.learned()


async def test_a_restart_reads_the_past_again_and_changes_nothing() -> None:
    """A new cycle over the same store asks for everything a second time: no write, every byte as it was.

    Two resources, two signs of need, the Pods' owners in vain from two tellers, four questions on one mesh
    and one on the other, and the counts of three kinds of series: 2 + 2 + 2 + 5 + 3 = 14.
    """
    first = await asked_once()
    stored = first.stored
    restarted = Scenario(first.prometheus, first.profiles)
    first.prometheus.questions.clear()

    report = await restarted.cycle(minutes=2)

    assert len(first.prometheus.questions) == 14
    assert (report.written, restarted.stored) == (0, stored)


async def test_a_leader_that_takes_over_in_the_middle_learns_the_same() -> None:
    """The old leader saw the past up to 09:00, the new one reads it again and goes on to 12:00."""
    old = Scenario(varying_prometheus())
    await old.cycle(minutes=-180)
    new = Scenario(varying_prometheus(), old.profiles)
    await new.cycle(minutes=-120)

    await new.cycle()

    assert new.learned() == (await asked_once()).learned()


async def test_answers_out_of_order_and_after_failures_give_the_same() -> None:
    """Today's answer comes first, yesterday's only in the third cycle, and the newest hour in between.

    What is new is published meanwhile; what was learned by noon is that of a leader that never failed.
    """
    scenario = Scenario(varying_prometheus())
    scenario.prometheus.load = DEFAULT_SAMPLE_BUDGET / 72  # so that six hours are one question
    midnight = NEWEST_STEP_SECONDS - 12 * 3600

    def not_the_past(question: Question, body: object) -> httpx.Response:
        return httpx.Response(500) if question.start <= midnight else httpx.Response(200, json=body)

    scenario.prometheus.faults = dict.fromkeys(SIGNALS, not_the_past)
    for minutes in (-90, -30):
        report = await scenario.cycle(minutes)
        assert {state.reason for state in report.states} == {PAST_UNREAD}
    scenario.prometheus.faults.clear()

    await scenario.cycle()

    assert scenario.learned() == (await asked_once()).learned()


class Answers:
    """Whole answers of the real source, cut wherever a test wants them, to be folded in any order."""

    def __init__(self) -> None:
        self._prometheus = varying_prometheus()
        scope = Scope(excluded=("kube-system",))
        self._source = PrometheusSource("http://p:9090", scope=scope, transport=self._prometheus.transport)
        self._attribute = Attribution(ClusterSnapshot())

    async def of(self, steps: StepRange) -> list[ContainerSamples | ConnectionSamples]:
        """The answers to each of the three questions on *steps*."""
        usage = [
            samples
            for resource in Resource
            async for days in self._source.container_samples(resource, steps)
            for samples in days
        ]
        return [*usage, *[samples async for samples in self._source.connection_samples(steps)]]

    def learned(self, answers: list[ContainerSamples | ConnectionSamples]) -> dict[object, Profile]:
        """What is derived at noon after these answers, in this order."""
        history = UsageHistory(timeslots=4, retained_days=RETAINED_DAYS)
        state = LearnedState(history.state, ConnectionHistory())
        for answer in answers:
            if isinstance(answer, ContainerSamples):
                history.fold(answer, self._attribute)
            else:
                state.connections.fold(resolve(answer, self._attribute))
        nothing = StoredValues(ProfileCatalogue(), NOON)
        derivation = ProfileDerivation(EstimationPolicy(), state)
        derived = derivation.derive(ALL_OK, NEWEST_STEP, in_scope, lambda *_: False, nothing)
        return {profile.identity: profile for profile in derived.profiles}


@pytest.mark.parametrize("seed", range(5))
async def test_half_of_the_answers_twice_in_any_order_are_folded_once(seed: int) -> None:
    """36 hours in pieces of 50 steps, half of them once more; connections count the last 24 hours of them."""
    answers = Answers()
    first = NEWEST_STEP - STEPS_PER_DAY + 1
    pieces = [StepRange(at, min(at + 49, NEWEST_STEP)) for at in range(first - 144, NEWEST_STEP + 1, 50)]
    once = [answer for piece in pieces for answer in await answers.of(piece)]
    chance = random.Random(seed)
    shuffled = once + chance.sample(once, len(once) // 2)
    chance.shuffle(shuffled)

    expected = answers.learned(once)

    assert len(expected) == 11
    assert answers.learned(shuffled) == expected


async def test_a_step_that_is_asked_for_again_in_a_larger_question_counts_once() -> None:
    """The 12 steps before noon, then the 24 before noon: 24 samples of the one container of voting."""
    answers = Answers()
    hour, two_hours = (StepRange(NEWEST_STEP - steps + 1, NEWEST_STEP) for steps in (12, 24))

    twice = answers.learned([*await answers.of(hour), *await answers.of(two_hours)])
    once = answers.learned(await answers.of(two_hours))

    assert twice == once
    assert {profile.basis.samples for profile in once.values()} == {24, 48}
    assert {profile.basis.coverage for profile in once.values()} == {1.0}


async def test_an_answer_that_came_again_with_other_numbers_does_not_add_up() -> None:
    """A step counts as it was first answered, of CPU and of connections."""
    answers = Answers()
    cpu, memory, edges = await answers.of(StepRange(NEWEST_STEP - 23, NEWEST_STEP))
    assert isinstance(cpu, ContainerSamples)
    assert isinstance(edges, ConnectionSamples)
    doubled = replace(edges, requests=edges.requests * 2, responses=edges.responses * 2)

    learned = answers.learned([cpu, memory, edges, replace(cpu, values=cpu.values * 2), doubled])

    expected = answers.learned([cpu, memory, edges])
    assert learned == expected


async def test_only_time_refreshes_a_status() -> None:
    """A restart a day later rewrites no value, but refreshes each status once: 11 writes, then none."""
    first = Scenario(EmojivotoPrometheus())
    await first.cycle()
    values = first.values
    restarted = Scenario(first.prometheus, first.profiles)

    refreshed = await restarted.cycle(minutes=1440)
    again = await restarted.cycle(minutes=1445)

    assert (refreshed.written, again.written, restarted.values) == (11, 0, values)
    status = restarted.profiles.manifests["cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"]["status"]
    assert status["refreshTime"] == (NOON + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert np.isclose(float(status["confidence"]), 0.60)

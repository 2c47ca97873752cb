"""A past that is queried twice in part, out of order or after a restart gives the same profiles."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

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
from app.recommendation.active_containers import EVERY_CONTAINER
from app.recommendation.policy import EstimationPolicy
from app.sources.planning import DEFAULT_SAMPLE_BUDGET
from app.sources.prometheus import PrometheusSource
from app.sources.queries import Scope
from tests.profiler.emojivoto_prometheus import SIGNALS, EmojivotoPrometheus, Question
from tests.profiler.scenario import NEWEST_STEP_SECONDS, NOON, Scenario, in_scope
from tests.profiler.varying_usage import varying_prometheus
from tests.sources.wire import successful

NEWEST_STEP = NEWEST_STEP_SECONDS // 300
ALL_OK = [SignalState(signal, Health.OK, "Answered", "") for signal in (*Resource, Signal.CONNECTIONS)]
HOURS_BEFORE_NOON = (31, 25, 19, 13, 5, 0)


async def after_one_cycle() -> Scenario:
    """A scenario that read the whole past in the cycle at noon."""
    scenario = Scenario(varying_prometheus())
    await scenario.cycle()
    return scenario


async def test_many_cycles_learn_the_same_as_one() -> None:
    """Six cycles over 31 hours, each with queries on new steps, and one cycle at the end for all steps.

    The first of the six is on the day before: its two days of history are three days before noon.
    """
    piecemeal = Scenario(varying_prometheus(), history_days=2)
    whole = Scenario(varying_prometheus(), history_days=3)
    for hours in HOURS_BEFORE_NOON:
        await piecemeal.cycle(minutes=-60 * hours)
    await whole.cycle()

    assert piecemeal.learned() == whole.learned()


async def test_a_restart_reads_the_past_again_and_changes_nothing() -> None:
    """A new leader over the same store sends all queries again: no write, and every byte stays.

    Two resources, the marks of CPU, two kinds of pressure, two sources of owners (without a result), four
    queries on the mesh, the counts of two kinds of series, and the reporter: 2 + 1 + 2 + 2 + 4 + 2 + 1 = 14.
    """
    first = await after_one_cycle()
    stored = first.stored
    restarted = Scenario(first.prometheus, first.profiles)
    first.prometheus.questions.clear()

    report = await restarted.cycle(minutes=2)

    assert len(first.prometheus.questions) == 14
    assert (report.written, restarted.stored) == (0, stored)


async def test_a_later_leader_learns_the_same() -> None:
    """The old leader read the past until 09:00; the new one reads it again and continues until 12:00."""
    old = Scenario(varying_prometheus())
    await old.cycle(minutes=-180)
    new = Scenario(varying_prometheus(), old.profiles)
    await new.cycle(minutes=-120)

    await new.cycle()

    assert new.learned() == (await after_one_cycle()).learned()


async def test_responses_out_of_order_and_after_faults_give_the_same() -> None:
    """Today's response comes first, yesterday's in the third cycle, and the newest hour in between.

    Meanwhile new values are published; the state at noon equals that of a leader without faults.
    """
    scenario = Scenario(varying_prometheus())
    scenario.prometheus.load = DEFAULT_SAMPLE_BUDGET / 72  # so that a query covers six hours
    midnight = NEWEST_STEP_SECONDS - 12 * 3600

    def not_the_past(question: Question, body: Mapping[str, Any]) -> httpx.Response:
        return httpx.Response(500) if question.start <= midnight else successful(body)

    scenario.prometheus.faults = dict.fromkeys(SIGNALS, not_the_past)
    for minutes in (-90, -30):
        report = await scenario.cycle(minutes)
        assert {state.reason for state in report.states} == {PAST_UNREAD}
    scenario.prometheus.faults.clear()

    await scenario.cycle()

    assert scenario.learned() == (await after_one_cycle()).learned()


class Responses:
    """Responses of the real source to queries on any steps, to be folded in any order."""

    def __init__(self) -> None:
        self._prometheus = varying_prometheus()
        scope = Scope(excluded=("kube-system",))
        self._source = PrometheusSource("http://p:9090", scope=scope, transport=self._prometheus.transport)
        self._attribute = Attribution(ClusterSnapshot())

    async def of(self, steps: StepRange) -> list[ContainerSamples | ConnectionSamples]:
        """The responses to the three queries on *steps*."""
        usage = [
            samples
            for resource in Resource
            async for days in self._source.container_samples(resource, steps)
            for samples in days
        ]
        return [*usage, *[samples async for samples in self._source.connection_samples(steps)]]

    def learned(self, responses: list[ContainerSamples | ConnectionSamples]) -> dict[object, Profile]:
        """The profiles at noon after these responses, in this order."""
        history = UsageHistory(timeslots=4, retained_days=RETAINED_DAYS)
        state = LearnedState(history.state, ConnectionHistory())
        for response in responses:
            if isinstance(response, ContainerSamples):
                history.fold(response, self._attribute)
            else:
                state.connections.fold(resolve(response, self._attribute))
        nothing = StoredValues(ProfileCatalogue(), NOON)
        derivation = ProfileDerivation(EstimationPolicy(), state)
        derived = derivation.derive(ALL_OK, NEWEST_STEP, in_scope, EVERY_CONTAINER, nothing)
        return {profile.identity: profile for profile in derived.profiles}


@pytest.mark.parametrize("seed", range(5))
async def test_repeated_responses_in_any_order_are_folded_once(seed: int) -> None:
    """36 hours in parts of 50 steps, half of them twice; connections count in the last 24 hours."""
    responses = Responses()
    first = NEWEST_STEP - STEPS_PER_DAY + 1
    parts = [StepRange(at, min(at + 49, NEWEST_STEP)) for at in range(first - 144, NEWEST_STEP + 1, 50)]
    once = [response for part in parts for response in await responses.of(part)]
    chance = random.Random(seed)
    shuffled = once + chance.sample(once, len(once) // 2)
    chance.shuffle(shuffled)

    expected = responses.learned(once)

    assert len(expected) == 11
    assert responses.learned(shuffled) == expected


async def test_a_step_in_two_queries_counts_once() -> None:
    """The 12 steps before noon, then the 24 before noon: 24 samples of the one container of voting."""
    responses = Responses()
    hour, two_hours = (StepRange(NEWEST_STEP - steps + 1, NEWEST_STEP) for steps in (12, 24))

    twice = responses.learned([*await responses.of(hour), *await responses.of(two_hours)])
    once = responses.learned(await responses.of(two_hours))

    assert twice == once
    assert {profile.basis.samples for profile in once.values()} == {24, 48}
    assert {profile.basis.coverage for profile in once.values()} == {1.0}


async def test_another_value_of_a_known_step_is_ignored() -> None:
    """The first value of a step counts, for CPU and for connections."""
    responses = Responses()
    cpu, memory, edges = await responses.of(StepRange(NEWEST_STEP - 23, NEWEST_STEP))
    assert isinstance(cpu, ContainerSamples)
    assert isinstance(edges, ConnectionSamples)
    doubled = replace(edges, requests=edges.requests * 2, responses=edges.responses * 2)

    learned = responses.learned([cpu, memory, edges, replace(cpu, values=cpu.values * 2), doubled])

    expected = responses.learned([cpu, memory, edges])
    assert learned == expected


async def test_only_time_refreshes_a_status() -> None:
    """A restart a day later writes no value, and refreshes each status once: 11 writes, then none."""
    first = Scenario(EmojivotoPrometheus())
    await first.cycle()
    values = first.values
    restarted = Scenario(first.prometheus, first.profiles)

    refreshed = await restarted.cycle(minutes=1440)
    later = await restarted.cycle(minutes=1445)

    assert (refreshed.written, later.written, restarted.values) == (11, 0, values)
    status = restarted.profiles.manifests["cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"]["status"]
    assert status["refreshTime"] == (NOON + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert np.isclose(float(status["confidence"]), 0.60)

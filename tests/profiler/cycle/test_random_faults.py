"""Ten minutes of random faults of Prometheus (stopped, slow, wrong, partial), and the recovery."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.profiler.cluster_state import ClusterState
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Fault, Question
from tests.profiler.prometheus_faults import CASES
from tests.profiler.scenario import Scenario, same_profiles
from tests.profiler.varying_usage import varying_prometheus
from tests.sources.wire import successful

CYCLES, PERIOD_MINUTES = 20, 0.5
KINDS = ("cpu", "memory", "connections", "throttling", "kills", "owners", "planning")


def at_random(chance: random.Random, healthy: float) -> Fault:
    """Each query meets a random fault, or none.

    An empty response without an error is no fault here: it equals that of a server without the history.
    """
    no_faults = {"nan", "infinite", "empty"}
    faults = [case.fault for name, case in CASES.items() if name not in no_faults]

    def answer(question: Question, body: Any) -> httpx.Response:
        if chance.random() < healthy:
            return successful(body)
        return chance.choice(faults)(question, body)

    return answer


def changes(observed: list[dict[str, tuple[str, str]]]) -> int:
    """The number of changes of a signal's state or reason between cycles; a first `Ok` is no change."""
    count = 0
    for signal in {name for states in observed for name in states}:
        row = [states[signal] for states in observed if signal in states]
        count += row[0][0] != "Ok"
        count += sum(before != after for before, after in pairwise(row))
    return count


def every(fault: Fault) -> dict[str, Fault]:
    """A fault for the queries of all kinds."""
    return dict.fromkeys(KINDS, fault)


async def ten_minutes(
    scenario: Scenario, prometheus: EmojivotoPrometheus, after_each: Callable[[], None]
) -> list[dict[str, tuple[str, str]]]:
    """Runs a cycle every half minute; returns the states after each one."""
    observed = []
    for number in range(CYCLES):
        report = await scenario.cycle(5 + number * PERIOD_MINUTES)
        observed.append({state.signal.value: (state.health.value, state.reason) for state in report.states})
        after_each()
    return observed


@pytest.mark.parametrize("restarted", [False, True], ids=["all-along", "restarted"])
@pytest.mark.parametrize("seed", range(4))
async def test_ten_minutes_of_faults_leave_no_trace(seed: int, *, restarted: bool) -> None:
    """Meanwhile no profile changes, and each change of a state is one line; afterwards no sample is missing.

    A leader that starts during the faults, without check-points, reads the past in parts of any size.
    """
    prometheus, chance = varying_prometheus(), random.Random(seed)
    scenario = Scenario(prometheus)
    await scenario.cycle()
    values = scenario.values
    if restarted:
        scenario = Scenario(prometheus, scenario.profiles)
    prometheus.faults = every(at_random(chance, healthy=0.3))

    def nothing_regressed() -> None:
        assert scenario.values == values

    with capture_logs() as log:
        observed = await ten_minutes(scenario, prometheus, nothing_regressed)
    logged = [line for line in log if line["event"] == "signal_changed"]
    assert len(logged) == changes(observed)
    warned = {line["event"] for line in log if line["log_level"] in {"warning", "error"}}
    assert warned <= {"signal_changed"}
    assert any(state != "Ok" for states in observed for state, _ in states.values())

    prometheus.faults.clear()
    for minutes in (20, 25):
        report = await scenario.cycle(minutes)
    assert {state.health.value for state in report.states} == {"Ok"}
    whole = Scenario(varying_prometheus())
    for minutes in (0, 20, 25):
        await whole.cycle(minutes)
    assert same_profiles(scenario.learned(25), whole.learned(25))


@pytest.mark.parametrize("seed", range(2))
async def test_faults_with_a_new_leader_in_each_cycle(seed: int) -> None:
    """Each leader continues from the check-point that is stored by then."""
    cluster, chance = ClusterState(varying_prometheus()), random.Random(seed)
    cluster.prometheus.retention = "1h"
    await cluster.leader().cycle()
    cluster.prometheus.faults = every(at_random(chance, healthy=0.7))
    for minutes in range(5, 125, 5):
        leader = cluster.leader()
        await leader.cycle(minutes)
    cluster.prometheus.faults = {}
    for minutes in (125, 130):
        await leader.cycle(minutes)

    whole = Scenario(varying_prometheus())
    for minutes in (0, 125, 130):
        await whole.cycle(minutes)
    assert same_profiles(leader.learned(130), whole.learned(130))

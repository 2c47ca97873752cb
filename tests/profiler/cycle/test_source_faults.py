"""Faults of Prometheus: stored profiles stay, the report has the reason, and recovery clears it."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.command_line.status import show
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from app.profiler.in_memory import InMemoryProfiles
from app.sources.planning import DEFAULT_SAMPLE_BUDGET
from tests.profiler.emojivoto_prometheus import SIGNALS, EmojivotoPrometheus, Question
from tests.profiler.prometheus_faults import CASES, FaultCase, empty
from tests.profiler.scenario import NEWEST_STEP_SECONDS, Scenario
from tests.sources.wire import successful

every_fault = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
failing = pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.state == "Failing"], ids=lambda case: case.reason
)


def faulty(scenario: Scenario, case: FaultCase, *signals: str) -> None:
    """From now on, the queries on these signals (on all without a name) meet the fault."""
    scenario.prometheus.faults = dict.fromkeys(signals or SIGNALS, case.fault)


def one_unusable(_question: Question, body: dict[str, Any]) -> httpx.Response:
    """The first series has NaN, all others are right."""
    for row in body["data"]["result"][:1]:
        row["values"] = [[moment, "NaN"] for moment, _ in row["values"]]
    return successful(body)


async def profiled() -> Scenario:
    """A scenario after a cycle without faults, whose Events are dropped."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    assert len(scenario.profiles.manifests) == 11
    scenario.sink.events.clear()
    return scenario


@every_fault
async def test_a_fault_leaves_the_profiles_as_they_were(case: FaultCase) -> None:
    """Every byte stays in the cycle with the fault and in later ones; the report counts all profiles."""
    scenario = await profiled()
    before = scenario.stored
    faulty(scenario, case)

    for minutes in (5, 10, 60):
        report = await scenario.cycle(minutes)
        assert (report.written, scenario.stored) == (0, before)

    assert scenario.sink.reports[-1]["profiles"] == {"cpu": 4, "memory": 4, "connection": 3}
    assert scenario.sink.reports[-1]["workloadsWithoutProfile"] == {}


@every_fault
async def test_status_says_which_signal_fails_and_why(
    case: FaultCase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report and the output of `job-profiler status` have state, reason and the server's error."""
    monkeypatch.setenv("COLUMNS", "200")  # no address is folded
    scenario = await profiled()
    faulty(scenario, case, "memory")
    await scenario.cycle(minutes=5)

    signal = scenario.sink.signals["memory"]
    assert (signal["state"], signal["reason"]) == (case.state, case.reason)
    assert signal["message"].startswith(case.message)
    assert signal["since"] == "2026-03-04T12:06:00Z"
    show(dict(scenario.sink.reports[-1]), {}, datetime.now(UTC))
    printed = " ".join(capsys.readouterr().out.split())
    assert f"memory {case.state} 2026-03-04T12:06:00Z {case.reason} {case.message}" in printed
    assert "cpu Ok" in printed


@every_fault
async def test_a_fault_and_its_recovery_are_reported_once(case: FaultCase) -> None:
    """Three cycles with the fault and two without: one warning, line and recovery each, and two reports."""
    scenario = await profiled()
    faulty(scenario, case)
    with capture_logs() as log:
        for minutes in (5, 7.5, 10):
            await scenario.cycle(minutes)
    changes = [(line["signal"], line["log_level"]) for line in log if line["event"] == "signal_changed"]
    assert changes == [(signal, "warning") for signal in SIGNALS]
    assert [(reason, warning) for reason, _, warning in scenario.sink.events] == [(case.reason, True)] * 3
    assert len(scenario.sink.reports) == 2

    scenario.prometheus.faults.clear()
    scenario.sink.events.clear()
    before = scenario.stored
    for minutes in (15, 20):
        await scenario.cycle(minutes)

    assert scenario.sink.events == [("Answered", f"{signal}: recovered", False) for signal in SIGNALS]
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Ok"}
    assert (len(scenario.sink.reports), scenario.stored) == (3, before)


@every_fault
async def test_a_fault_after_a_restart_changes_no_profile(case: FaultCase) -> None:
    """A new leader learns nothing at first: stored profiles stay, and the report still counts them."""
    before = await profiled()
    restarted = Scenario(EmojivotoPrometheus(), before.profiles)
    faulty(restarted, case)
    stored = restarted.stored

    report = await restarted.cycle(minutes=5)

    assert (report.written, restarted.learned(), restarted.stored) == (0, {}, stored)
    assert report.reasons == {}
    assert restarted.sink.reports[-1]["profiles"] == {"cpu": 4, "memory": 4, "connection": 3}
    assert {restarted.sink.signals[signal]["state"] for signal in ("cpu", "memory")} == {case.state}

    restarted.prometheus.faults.clear()
    await restarted.cycle(minutes=10)
    assert restarted.stored == stored


@every_fault
async def test_a_fault_in_the_first_cycle_publishes_nothing(case: FaultCase) -> None:
    """No profile has the value zero; the reason distinguishes a failing source from absent usage."""
    scenario = Scenario(EmojivotoPrometheus())
    faulty(scenario, case)

    report = await scenario.cycle()

    assert (scenario.profiles.manifests, [*report.identities]) == ({}, [])
    expected = "NoAnswer" if case.state == "Failing" else "NoSamples"
    assert {reason.partition(":")[0] for reason in report.reasons.values()} == {expected}
    assert set(report.reasons) == {f"emojivoto/{name}" for name in ("web", "voting", "emoji", "vote-bot")}


@every_fault
@pytest.mark.parametrize("signal", SIGNALS)
async def test_a_fault_of_one_signal_leaves_the_others(case: FaultCase, signal: str) -> None:
    """The two other signals publish all their profiles, and the faulty one publishes none."""
    scenario = Scenario(EmojivotoPrometheus())
    faulty(scenario, case, signal)

    await scenario.cycle()

    kind = signal.removesuffix("s")
    whole = {"cpu": 4, "memory": 4, "connection": 3}
    assert scenario.sink.reports[-1]["profiles"] == whole | {kind: 0}
    healthy = {name: entry["state"] for name, entry in scenario.sink.signals.items() if name != signal}
    assert healthy == dict.fromkeys(set(SIGNALS) - {signal}, "Ok")


@failing
async def test_values_of_a_partly_read_history_are_not_published(case: FaultCase) -> None:
    """Until yesterday web used 0.4 + 0.08 cores, today a quarter; the history has three whole days, t = 3.

    0.48 * (1 + .5 / (1 + 3)^3) = 0.484 is stored. After a restart only today can be read, which alone gives a
    lower value: nothing is written until the older days are read. The report has the server's error.
    """
    midnight = NEWEST_STEP_SECONDS - 12 * 3600

    def busy_until_today(second: int) -> float:
        return 4.0 if second <= midnight else 1.0

    def answered_today(question: Question, body: Any) -> httpx.Response:
        return case.fault(question, body) if question.end <= midnight else successful(body)

    prometheus = EmojivotoPrometheus(cpu_factor=busy_until_today)
    first = Scenario(prometheus, history_days=3)
    await first.cycle()
    web = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
    assert first.values[web] == "0.484"
    stored = first.stored

    prometheus.load = DEFAULT_SAMPLE_BUDGET / 144  # so that a query covers half a day
    prometheus.faults = {"cpu": answered_today}
    restarted = Scenario(prometheus, first.profiles, history_days=3)
    for minutes in (0, 5, 10):
        await restarted.cycle(minutes)
        assert restarted.stored == stored
    cpu = restarted.sink.signals["cpu"]
    assert (cpu["state"], cpu["reason"]) == ("Degraded", "PastUnread")
    assert case.message in cpu["message"]

    prometheus.faults.clear()
    report = await restarted.cycle(minutes=15)
    assert restarted.learned(15)[Identity(ProfileKind.CPU, Workload("emojivoto", "web"))].value == "0.484"
    assert (report.written, restarted.stored) == (0, stored)


async def test_a_signal_without_a_query_keeps_its_state() -> None:
    """12:05 has NaN in one series, 12:07 no new step: still Degraded; the step of 12:10 ends that."""
    scenario = await profiled()
    states = []
    for minutes, fault in ((5, one_unusable), (7, None), (10, None)):
        scenario.prometheus.faults = dict.fromkeys(SIGNALS, fault) if fault else {}
        await scenario.cycle(minutes)
        states.append({signal["state"] for signal in scenario.sink.signals.values()})

    assert states == [{"Degraded"}, {"Degraded"}, {"Ok"}]


async def test_empty_steps_are_queried_again() -> None:
    """Samples of 12:05 and 12:10 arrive late: the query at 12:15 covers these steps too.

    As at noon, the newest two steps are open: those of 11:55, 12:00 and 12:05 are folded.
    """
    scenario = await profiled()
    faulty(scenario, CASES["empty"])
    for minutes in (5, 10):
        await scenario.cycle(minutes)
    scenario.prometheus.faults.clear()
    scenario.prometheus.questions.clear()

    report = await scenario.cycle(minutes=15)

    queried = {(query.start, query.end) for query in scenario.prometheus.questions if query.start < query.end}
    assert queried == {(NEWEST_STEP_SECONDS - 300, NEWEST_STEP_SECONDS + 900)}
    assert report.samples == 2 * 5 * 3


async def test_days_without_samples_change_no_profile() -> None:
    """Prometheus lost its targets for 15 days, longer than any window: no value and no status is written.

    From the third day on every profile has the condition `Stale`.
    """
    scenario = await profiled()
    before = scenario.stored
    faulty(scenario, CASES["empty"])

    for days in (1, 2):
        await scenario.cycle(minutes=days * 1440 - 10)
    assert scenario.stored == before

    for days in (3, 8, 15):
        await scenario.cycle(minutes=days * 1440)
    conditions = [manifest["status"].pop("conditions") for manifest in scenario.profiles.manifests.values()]
    assert {(condition["type"], condition["status"]) for [condition] in conditions} == {("Stale", "True")}
    assert scenario.stored == before
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Empty"}


async def test_a_day_without_samples_after_one_with_samples_is_empty() -> None:
    """The first cycle reads the past, but no sample of today, as after the loss of a scrape target."""
    midnight = NEWEST_STEP_SECONDS - 12 * 3600

    def only_the_past(question: Question, body: Any) -> httpx.Response:
        return empty(question, body) if question.end > midnight else successful(body)

    scenario = Scenario(EmojivotoPrometheus(faults={"cpu": only_the_past}))
    await scenario.cycle()

    assert scenario.sink.signals["cpu"]["state"] == "Empty"
    assert scenario.sink.signals["memory"]["state"] == "Ok"


async def test_a_changed_fault_is_reported_again() -> None:
    """A refused connection, then a time-out: two reasons, so two warnings and a new `since`."""
    scenario = await profiled()
    faulty(scenario, CASES["refused"], "cpu")
    await scenario.cycle(minutes=5)
    faulty(scenario, CASES["time-out"], "cpu")
    await scenario.cycle(minutes=10)

    assert [reason for reason, _, _ in scenario.sink.events] == ["Unreachable", "TimedOut"]
    assert scenario.sink.signals["cpu"]["since"] == "2026-03-04T12:11:00Z"


async def test_objects_of_other_programs_survive_every_fault() -> None:
    """An object without an identity is neither counted nor changed."""
    store = InMemoryProfiles("profiling")
    foreign: dict[str, Any] = {"metadata": {"name": "by-hand"}, "spec": {}}
    store.manifests["by-hand"] = foreign
    store.catalogue.upsert(ProfileKind.CPU, foreign)
    scenario = Scenario(EmojivotoPrometheus(), store)
    faulty(scenario, CASES["500"])

    await scenario.cycle()

    assert scenario.profiles.manifests == {"by-hand": {"metadata": {"name": "by-hand"}, "spec": {}}}
    assert scenario.sink.reports[-1]["profiles"] == {"cpu": 0, "memory": 0, "connection": 0}

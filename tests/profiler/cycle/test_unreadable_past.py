"""An unreadable past: new samples count, and stored values wait for the past for at most a day."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.command_line.status import show
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from app.sources.planning import DEFAULT_SAMPLE_BUDGET
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus, Fault, Question
from tests.profiler.prometheus_faults import server_error
from tests.profiler.scenario import HALF_DAY_PER_CYCLE, NEWEST_STEP_SECONDS, Scenario
from tests.sources.wire import successful

MIDNIGHT = NEWEST_STEP_SECONDS - 12 * 3600
WEB = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
VOTING = Identity(ProfileKind.CPU, Workload("emojivoto", "voting"))
DAY_MINUTES = 1440


def before(second: int, fault: Fault = server_error) -> Fault:
    """Queries that end at *second* or earlier meet the fault."""

    def answer(question: Question, body: Any) -> httpx.Response:
        return fault(question, body) if question.end <= second else successful(body)

    return answer


def in_half_days(prometheus: EmojivotoPrometheus) -> EmojivotoPrometheus:
    """A load with which a query covers half a day."""
    prometheus.load = DEFAULT_SAMPLE_BUDGET / 144
    return prometheus


def unreadable() -> EmojivotoPrometheus:
    """A Prometheus without the three days before today, as while Thanos' store gateway is unavailable."""
    return in_half_days(EmojivotoPrometheus(faults=dict.fromkeys(("cpu", "memory"), before(MIDNIGHT))))


async def test_new_samples_are_published_without_the_past() -> None:
    """The first cycle has 12 hours: 144 samples, and a confidence of 12 / 36 = 0.33."""
    scenario = Scenario(unreadable(), history_days=3)

    for minutes in (0, 5, 10):
        await scenario.cycle(minutes)

    assert scenario.sink.reports[-1]["profiles"] == {"cpu": 4, "memory": 4, "connection": 3}
    voting = scenario.profiles.catalogue.get(VOTING)
    assert voting
    status = scenario.profiles.manifests[voting.name]["status"]
    assert (status["samples"], status["confidence"]) == (144, "0.33")


async def test_status_shows_an_unreadable_past(capsys: pytest.CaptureFixture[str]) -> None:
    """Degraded with the server's error: one warning per signal in three cycles, and one recovery."""
    scenario = Scenario(unreadable(), history_days=3)
    with capture_logs() as log:
        for minutes in (0, 5, 10):
            await scenario.cycle(minutes)

    show(dict(scenario.sink.reports[-1]), {}, datetime.now(UTC))
    printed = " ".join(capsys.readouterr().out.split())
    message = (
        "the newest samples were read, but not all older ones: Prometheus answered 500 Internal Server Error"
    )
    assert f"memory Degraded 2026-03-04T12:01:00Z PastUnread {message}" in printed
    assert [reason for reason, _, _ in scenario.sink.events] == ["PastUnread"] * 2
    assert [line["signal"] for line in log if line["event"] == "signal_changed"] == ["cpu", "memory"]

    scenario.prometheus.faults.clear()
    await scenario.cycle(15)
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Ok"}


async def test_an_unavailable_source_is_failing() -> None:
    """From 12:05 on, queries on new and on old steps fail."""
    scenario = Scenario(unreadable(), history_days=3)
    await scenario.cycle()
    scenario.prometheus.faults["cpu"] = server_error

    await scenario.cycle(5)

    assert {name: signal["state"] for name, signal in scenario.sink.signals.items()} == {
        "cpu": "Failing",
        "memory": "Degraded",
        "connections": "Ok",
    }


async def test_values_are_rewritten_after_a_day_without_the_past() -> None:
    """Until yesterday web used four times as much; 0.484 is stored. A new leader can't read that past.

    For a day the stored value stays. Then the past is given up: the history is a whole day, t = 1, in which
    web used 0.1 + 0.02 cores: 0.12 * (1 + .5 / (1 + 1)^3) = 0.1275.
    """
    busy = EmojivotoPrometheus(cpu_factor=lambda second: 4.0 if second <= MIDNIGHT else 1.0)
    first = Scenario(in_half_days(busy), history_days=3)
    await first.cycle()
    assert first.values[WEB] == "0.484"
    busy.faults = dict.fromkeys(("cpu", "memory"), before(MIDNIGHT))
    restarted = Scenario(busy, first.profiles, history_days=3)

    for minutes in (0, 5, DAY_MINUTES // 2, DAY_MINUTES - 5):
        await restarted.cycle(minutes)
        assert restarted.values == first.values
        assert restarted.values[WEB] == "0.484"
    await restarted.cycle(DAY_MINUTES)

    assert restarted.values[WEB] == "0.128"
    assert restarted.sink.signals["cpu"]["reason"] == "PastUnread"


async def test_progress_in_the_past_extends_the_wait() -> None:
    """Refused at 12:05, half a day of it read at midnight, refused again: the wait of a day starts again.

    That half day and today alone give a lower value than the stored one: web was busy only before them.
    """
    busy_until = MIDNIGHT - 12 * 3600
    busy = EmojivotoPrometheus(cpu_factor=lambda second: 4.0 if second <= busy_until else 1.0)
    first = Scenario(busy, history_days=3)
    await first.cycle()
    stored = first.values[WEB]
    restarted = Scenario(busy, first.profiles, history_days=3, limits=HALF_DAY_PER_CYCLE)
    refused, answered = dict.fromkeys(("cpu", "memory"), before(MIDNIGHT)), dict[str, Fault]()
    reasons = []

    for minutes, faults in ((0, refused), (5, refused), (720, answered), (1450, refused), (1455, refused)):
        busy.faults = faults
        await restarted.cycle(minutes)
        reasons.append(restarted.sink.signals["cpu"]["reason"])
        assert restarted.values[WEB] == stored

    assert restarted.learned(1455)[Identity(ProfileKind.CPU, Workload("emojivoto", "web"))].value < stored
    assert reasons == ["Answered", "PastUnread", "Answered", "PastUnread", "PastUnread"]


async def test_a_query_on_old_steps_alone_leaves_the_state() -> None:
    """12:02 has no new step: only old steps are queried, and refused. The newest step is still known."""
    scenario = Scenario(unreadable(), history_days=3)
    for minutes in (0, 1):
        await scenario.cycle(minutes)

    assert scenario.sink.signals["cpu"]["reason"] == "PastUnread"


async def test_an_empty_past_is_not_queried_again() -> None:
    """Prometheus keeps half a day: the response on older steps alone is empty, and the state is Ok."""

    def forgotten(_question: Question, body: Any) -> httpx.Response:
        body["data"]["result"] = []
        return successful(body)

    scenario = Scenario(unreadable(), history_days=3)
    await scenario.cycle()
    scenario.prometheus.faults = dict.fromkeys(("cpu", "memory"), before(MIDNIGHT, forgotten))
    await scenario.cycle(1)
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Ok"}
    scenario.prometheus.questions.clear()

    await scenario.cycle(2)

    assert not [query for query in scenario.prometheus.questions if query.signal in {"cpu", "memory"}]

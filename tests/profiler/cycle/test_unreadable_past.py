"""An unreadable past: new samples count anyway, and stored values wait for a day at most."""

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

MIDNIGHT = NEWEST_STEP_SECONDS - 12 * 3600
WEB = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
VOTING = Identity(ProfileKind.CPU, Workload("emojivoto", "voting"))
DAY_MINUTES = 1440


def before(second: int, fault: Fault = server_error) -> Fault:
    """Questions that end by then meet the fault."""

    def answer(question: Question, body: Any) -> httpx.Response:
        return fault(question, body) if question.end <= second else httpx.Response(200, json=body)

    return answer


def in_half_days(prometheus: EmojivotoPrometheus) -> EmojivotoPrometheus:
    """So much is loaded that half a day is one question."""
    prometheus.load = DEFAULT_SAMPLE_BUDGET / 144
    return prometheus


def unreadable() -> EmojivotoPrometheus:
    """Of the three days before today nothing can be read, as where Thanos' store gateway is away."""
    return in_half_days(EmojivotoPrometheus(faults=dict.fromkeys(("cpu", "memory"), before(MIDNIGHT))))


async def test_what_is_new_is_published_although_the_past_is_away() -> None:
    """The first cycle of all: 12 hours are known, 144 samples, and a confidence of 12 / 36 = 0.33."""
    scenario = Scenario(unreadable(), history_days=3)

    for minutes in (0, 5, 10):
        await scenario.cycle(minutes)

    assert scenario.sink.reports[-1]["profiles"] == {"cpu": 4, "memory": 4, "connection": 3}
    voting = scenario.profiles.catalogue.get(VOTING)
    assert voting
    status = scenario.profiles.manifests[voting.name]["status"]
    assert (status["samples"], status["confidence"]) == (144, "0.33")


async def test_status_says_that_a_past_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    """Degraded, with the server's words: one warning for each signal in three cycles, and one all-clear."""
    scenario = Scenario(unreadable(), history_days=3)
    with capture_logs() as log:
        for minutes in (0, 5, 10):
            await scenario.cycle(minutes)

    show(dict(scenario.sink.reports[-1]), {}, datetime.now(UTC))
    printed = " ".join(capsys.readouterr().out.split())
    told = (
        "the newest samples were read, but not all older ones: Prometheus answered 500 Internal Server Error"
    )
    assert f"memory Degraded 2026-03-04T12:01:00Z PastUnread {told}" in printed
    assert [reason for reason, _, _ in scenario.sink.events] == ["PastUnread"] * 2
    assert [line["signal"] for line in log if line["event"] == "signal_changed"] == ["cpu", "memory"]

    scenario.prometheus.faults.clear()
    await scenario.cycle(15)
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Ok"}


async def test_a_source_that_is_all_away_is_failing_and_not_degraded() -> None:
    """From 12:05 on nothing is answered, neither old nor new."""
    scenario = Scenario(unreadable(), history_days=3)
    await scenario.cycle()
    scenario.prometheus.faults["cpu"] = server_error

    await scenario.cycle(5)

    assert {name: told["state"] for name, told in scenario.sink.signals.items()} == {
        "cpu": "Failing",
        "memory": "Degraded",
        "connections": "Ok",
    }


async def test_what_is_stored_moves_after_a_day_without_its_past() -> None:
    """Until yesterday web used four times as much; 0.510 is stored. A new leader can't read that past.

    For a day what is stored stays. Then that day is given up: today is whole, t = 1, and in it web used
    0.1 + 0.02 cores: 0.12 * (1 + 1 / (1 + 1)^2) = 0.150. It never turned stale, and never failed.
    """
    busy = EmojivotoPrometheus(cpu_factor=lambda second: 4.0 if second <= MIDNIGHT else 1.0)
    first = Scenario(in_half_days(busy), history_days=3)
    await first.cycle()
    assert first.values[WEB] == "0.510"
    busy.faults = dict.fromkeys(("cpu", "memory"), before(MIDNIGHT))
    restarted = Scenario(busy, first.profiles, history_days=3)

    for minutes in (0, 5, DAY_MINUTES // 2, DAY_MINUTES - 5):
        await restarted.cycle(minutes)
        assert restarted.values == first.values
        assert restarted.values[WEB] == "0.510"
    await restarted.cycle(DAY_MINUTES)

    assert restarted.values[WEB] == "0.150"
    assert restarted.sink.signals["cpu"]["reason"] == "PastUnread"


async def test_a_past_that_is_read_bit_by_bit_is_waited_for() -> None:
    """Refused at 12:05, half a day of it answered at midnight, refused again: patience begins anew.

    That half day and today alone would say less than what is stored, since web was busy only before them.
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


async def test_an_older_past_that_is_asked_alone_leaves_the_signal_as_it_is() -> None:
    """12:02 brings no new step: only what is older is asked for, and refused. What is new is still known."""
    scenario = Scenario(unreadable(), history_days=3)
    for minutes in (0, 1):
        await scenario.cycle(minutes)

    assert scenario.sink.signals["cpu"]["reason"] == "PastUnread"


async def test_an_older_past_that_is_empty_is_known_to_be_so() -> None:
    """The server remembers half a day. At 12:02 the rest is asked for alone: it is no lost scrape."""

    def forgotten(_question: Question, body: Any) -> httpx.Response:
        body["data"]["result"] = []
        return httpx.Response(200, json=body)

    scenario = Scenario(unreadable(), history_days=3)
    await scenario.cycle()
    scenario.prometheus.faults = dict.fromkeys(("cpu", "memory"), before(MIDNIGHT, forgotten))
    await scenario.cycle(1)
    assert {signal["state"] for signal in scenario.sink.signals.values()} == {"Ok"}
    scenario.prometheus.questions.clear()

    await scenario.cycle(2)

    assert not [each for each in scenario.prometheus.questions if each.signal in {"cpu", "memory"}]

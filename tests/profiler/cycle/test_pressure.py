"""Pressure in a cycle: its queries, the values that it raises, and that nothing else changes."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Workload
from tests.profiler.emojivoto_prometheus import WEB_POD, EmojivotoPrometheus, Question
from tests.profiler.scenario import NEWEST_STEP_SECONDS, NOON, Scenario

WEB_CPU = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
WEB_MEMORY = "memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
APP, PROXY = (WEB_POD, "web-svc"), (WEB_POD, "linkerd-proxy")
MIDNIGHT_SECONDS = NEWEST_STEP_SECONDS - 12 * 3600


def killed_at(*seconds: int) -> Any:
    """A container that is killed in each of these steps."""
    return lambda moment: float(moment in seconds)


def status(scenario: Scenario, name: str) -> dict[str, Any]:
    """The status of a stored profile."""
    stored = scenario.profiles.manifests[name]["status"]
    assert isinstance(stored, dict)
    return stored


def take_queries(scenario: Scenario, *signals: str) -> list[tuple[str, int, int]]:
    """The queries on these signals since the last call."""
    queries = [(q.signal, q.start, q.end) for q in scenario.prometheus.questions if q.signal in signals]
    scenario.prometheus.questions.clear()
    return queries


def broken(_question: Question, _body: object) -> httpx.Response:
    """A 422, as for a query with too many samples."""
    return httpx.Response(422, json={"status": "error", "errorType": "execution", "error": "too many"})


async def test_throttling_raises_its_container() -> None:
    """web-svc is throttled by 20 % since midnight: 0.10625 * 1.2, plus 0.02125 of the proxy, is 0.14875.

    The raise applies to all time slots, also to those of yesterday. In the one day of history nothing was
    above the value: the explanation has 3 % / (1 + 1) + 2 % / (1 + 1)^4 = 1.625 %.
    """
    scenario = Scenario(EmojivotoPrometheus())
    scenario.prometheus.throttled[APP] = lambda moment: 0.2 * (moment > MIDNIGHT_SECONDS)

    await scenario.cycle()

    assert scenario.values[WEB_CPU] == "0.149"
    cpu_status = status(scenario, WEB_CPU)
    assert [(entry["name"], entry["value"]) for entry in cpu_status["containers"]] == [
        ("linkerd-proxy", "0.022"),
        ("web-svc", "0.128"),
    ]
    assert {slot["value"] for slot in cpu_status["slots"]} == {"0.149"}
    assert cpu_status["signals"] == [
        {
            "container": "web-svc",
            "reason": "CPUThrottling",
            "lastSeen": "2026-03-04T12:00:00Z",
            "raisedBy": "0.20",
        }
    ]
    assert cpu_status["explanation"] == (
        "From 864 five-minute samples of 2 containers over 36 hours (coverage 1.00):"
        " linkerd-proxy 22m (covers 100 % of the time of 1 day, plus 6.2 % for a short past)."
        " web-svc 128m (covers 100 % of the time of 1 day, plus 6.2 % for a short past)."
        " CPU throttling of web-svc, last seen 2026-03-04T12:00:00Z, raises its value by 20 %."
        " At normal risk, usage is expected to exceed the value for 1.7 % of the next day, and for at most"
        " 1.8 % on 9 of 10 days."
    )
    assert scenario.values[WEB_MEMORY] == "38137476"


async def test_a_decaying_raise_is_written_in_steps_of_five_percent() -> None:
    """A kill at noon raises web-svc's 25,424,983 by 20 % to 30,509,980; with 12,712,492 that is 43,222,473.

    In five hours the raise falls from 5,084,997 to 4,401,251, which is 1.6 % of the sum: 60 cycles write
    nothing. After a day the raise is 10 %. The width of two equal days is .1 / 2 = .05, and e^.18 times a
    maximum costs least: (20,000,000 * 1.1 + 10,000,000) * e^.18 = 38,310,957.
    """
    scenario = Scenario(EmojivotoPrometheus())
    scenario.prometheus.killed[APP] = killed_at(NEWEST_STEP_SECONDS)
    await scenario.cycle()
    assert scenario.values[WEB_MEMORY] == "43222473"
    before = scenario.stored

    written = [(await scenario.cycle(minutes)).written for minutes in range(5, 301, 5)]
    assert (written, scenario.stored) == ([0] * 60, before)

    await scenario.cycle(minutes=1440)
    assert scenario.values[WEB_MEMORY] == "38310957"


async def test_pressure_is_queried_once_per_cycle() -> None:
    """With a week of history, the first query covers today and two days, the next one three steps."""
    scenario = Scenario(EmojivotoPrometheus(), history_days=7)
    first, newest = MIDNIGHT_SECONDS - 2 * 86400 + 300, NEWEST_STEP_SECONDS

    await scenario.cycle()
    assert sorted(take_queries(scenario, "throttling", "kills")) == [
        ("kills", first, newest),
        ("throttling", first, newest),
    ]
    await scenario.cycle(minutes=5)
    assert sorted(take_queries(scenario, "throttling", "kills")) == [
        ("kills", newest - 300, newest + 300),
        ("throttling", newest - 300, newest + 300),
    ]
    await scenario.cycle(minutes=6)
    assert take_queries(scenario, "throttling", "kills") == []


async def test_a_new_leader_derives_the_same_raises() -> None:
    """A kill and throttling of two days ago are queried again: nothing is written."""
    scenario = Scenario(EmojivotoPrometheus(), history_days=7)
    long_ago = MIDNIGHT_SECONDS - 2 * 86400 + 3600
    scenario.prometheus.killed[APP] = killed_at(long_ago)
    scenario.prometheus.throttled[PROXY] = lambda moment: 0.5 * (moment <= long_ago)
    for hours in (-40, -20, 0):
        await scenario.cycle(minutes=60 * hours)
    stored = scenario.stored

    restarted = Scenario(scenario.prometheus, scenario.profiles, history_days=7)
    report = await restarted.cycle()

    assert (report.written, restarted.stored) == (0, stored)
    assert status(restarted, WEB_MEMORY)["signals"][0]["lastSeen"] == "2026-03-02T01:00:00Z"


async def test_a_failed_query_keeps_earlier_pressure() -> None:
    """The kill of noon is stored. At 12:05 the query fails: memory is degraded, and its profile stays.

    At 12:10 the query covers all steps that the failed one was on, with that of a second kill.
    """
    scenario = Scenario(EmojivotoPrometheus())
    scenario.prometheus.killed[APP] = killed_at(NEWEST_STEP_SECONDS, NEWEST_STEP_SECONDS + 300)
    await scenario.cycle()
    before = scenario.stored
    scenario.prometheus.faults["kills"] = broken
    take_queries(scenario)

    report = await scenario.cycle(minutes=5)

    assert (report.samples, report.written, scenario.stored) == (10, 0, before)
    assert {name: signal["state"] for name, signal in scenario.sink.signals.items()} == {
        "cpu": "Ok",
        "memory": "Degraded",
        "connections": "Ok",
    }
    assert scenario.sink.signals["memory"]["reason"] == "OOMKilledUnknown"
    assert scenario.sink.signals["memory"]["message"] == (
        "the query for kube_pod_container_status_last_terminated_reason failed, "
        "earlier samples of it still count: Prometheus answered 422 Unprocessable Entity: execution: too many"
    )

    scenario.prometheus.faults.clear()
    take_queries(scenario)
    await scenario.cycle(minutes=10)
    assert take_queries(scenario, "kills") == [
        ("kills", NEWEST_STEP_SECONDS - 300, NEWEST_STEP_SECONDS + 600)
    ]
    profile = scenario.learned(minutes=10)[Identity(ProfileKind.MEMORY, Workload("emojivoto", "web"))]
    assert [signal.last_seen for signal in profile.signals] == [NOON + timedelta(minutes=4)]  # type: ignore[union-attr]
    assert scenario.sink.signals["memory"]["state"] == "Ok"


@pytest.mark.parametrize("signal", ["throttling", "kills"])
async def test_failed_queries_on_pressure_delay_no_profile(signal: str) -> None:
    """All eleven profiles are published without it."""
    scenario = Scenario(EmojivotoPrometheus(faults={signal: broken}))

    assert (await scenario.cycle()).written == 11


async def test_a_failed_query_is_retried_without_new_usage() -> None:
    """Two minutes later only the failed query is sent, and its response ends the degraded state."""
    scenario = Scenario(EmojivotoPrometheus(faults={"throttling": broken}))
    await scenario.cycle()
    assert scenario.sink.signals["cpu"]["reason"] == "CPUThrottlingUnknown"
    scenario.prometheus.faults.clear()
    scenario.prometheus.questions.clear()

    await scenario.cycle(minutes=2)

    assert {question.signal for question in scenario.prometheus.questions} == {"throttling"}
    assert scenario.sink.signals["cpu"]["state"] == "Ok"


async def test_pressure_is_queried_only_with_usage() -> None:
    """While CPU fails, only the pressure on memory is queried."""
    scenario = Scenario(EmojivotoPrometheus(faults={"cpu": broken}))

    await scenario.cycle()

    assert {signal for signal, _, _ in take_queries(scenario, "throttling", "kills")} == {"kills"}


async def test_the_source_of_past_owners_is_logged_once() -> None:
    """In the first of three cycles: names."""
    scenario = Scenario(EmojivotoPrometheus())
    with capture_logs() as logs:
        for minutes in (0, 5, 10):
            await scenario.cycle(minutes)

    sources = [entry["by"] for entry in logs if entry["event"] == "past_pods_attributed"]
    assert sources == ["names"]
    assert scenario.sink.reports[-1]["pastPodsAttributedBy"] == "names"

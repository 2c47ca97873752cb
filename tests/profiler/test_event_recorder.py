"""Events on workloads in one leader's term, and their rate limit."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.metrics import CycleMetrics
from tests.profiler.emojivoto_prometheus import CONTAINERS, EDGES, WEB_POD, EmojivotoPrometheus
from tests.profiler.refusing_profiles import RefusingProfiles
from tests.profiler.scenario import DEPLOYMENTS, NOON, Scenario

WEB = Workload("emojivoto", "web")
CREATED, CHANGED, EXPIRED = "ProfileCreated", "ProfileChanged", "ProfileExpired"


def without_samples() -> EmojivotoPrometheus:
    """A Prometheus without samples: its responses are empty, so the steps are queried again."""
    return EmojivotoPrometheus(containers={}, edges={}, proxies=())


def fill(prometheus: EmojivotoPrometheus) -> None:
    """Add the whole past."""
    prometheus.containers, prometheus.edges, prometheus.proxies = dict(CONTAINERS), dict(EDGES), ("web",)


async def test_the_first_cycle_of_a_term_has_no_events() -> None:
    """Eleven profiles are written, but a new leader can't distinguish changes from first values."""
    scenario = Scenario(EmojivotoPrometheus())

    report = await scenario.cycle()

    assert (report.written, report.events_dropped, scenario.events.recorded) == (11, 0, [])


async def test_new_profiles_are_one_event_per_deployment() -> None:
    """The Event of a connection is that of its source; the third cycle has no further Event."""
    snapshot = ClusterSnapshot(workloads=DEPLOYMENTS, uids={WEB: "u1"})
    scenario = Scenario(without_samples(), snapshot=snapshot)
    await scenario.cycle()
    fill(scenario.prometheus)
    for minutes in (5, 10):
        await scenario.cycle(minutes)

    per_minute = "requests and responses a minute to emojivoto"
    assert scenario.events.lines == [
        ("emojivoto/emoji", CREATED, "CPU 0.043 cores, memory 20339986 bytes"),
        (
            "emojivoto/vote-bot",
            CREATED,
            f"CPU 0.022 cores, memory 10169993 bytes, 180.00 {per_minute}/web",
        ),
        ("emojivoto/voting", CREATED, "CPU 0.064 cores, memory 15254990 bytes"),
        (
            "emojivoto/web",
            CREATED,
            f"CPU 0.128 cores, memory 38137476 bytes, 120.00 {per_minute}/emoji, 54.00 {per_minute}/voting",
        ),
    ]
    assert [(event.api_version, event.uid) for event in scenario.events.recorded[-1:]] == [("apps/v1", "u1")]


async def test_a_large_change_is_an_event_with_both_values() -> None:
    """At 12:05 the memory of web-svc triples; CPU stays.

    The history has a day and 145 steps, t = 1.503472. What is not steady is raised by 3 / (1 + t)^3, by
    0.191202. With maxima of 20 and 60 MB the width has its limit, .15, and e^.22 times the larger one costs
    least; the steady proxy's is .1 / 2, and it needs e^.18 times itself: 60,000,000 * e^.22 * 1.191202 +
    10,000,000 * e^.18 = 101,031,941.
    """
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    scenario.prometheus.containers[WEB_POD, "web-svc"] = (0.1, 6e7)

    await scenario.cycle(minutes=5)

    assert scenario.events.lines == [("emojivoto/web", CHANGED, "memory 38137476 → 101031941 bytes")]


async def test_a_small_change_is_no_event() -> None:
    """web-svc goes from 20 to 28 MB, less than 50 % of the value: it is written without an Event."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    scenario.prometheus.containers[WEB_POD, "web-svc"] = (0.1, 2.8e7)

    report = await scenario.cycle(minutes=5)

    assert (report.written, scenario.events.recorded) == (1, [])


async def test_expired_profiles_are_events() -> None:
    """`voting` ends at noon; 31 days later its two profiles and the connection to it are removed.

    The Event of the connection is that of its source, `web`. A cycle in between is the first one of the term.
    """
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    del scenario.prometheus.containers["voting-5f5b555dff-fcg7c", "voting-svc"]
    del scenario.prometheus.edges["web", "voting"]

    await scenario.cycle(minutes=timedelta(days=31) / timedelta(minutes=1))

    assert scenario.events.lines == [
        (
            "emojivoto/voting",
            EXPIRED,
            "no new samples, so removed: CPU 0.064 cores, memory 15254990 bytes",
        ),
        (
            "emojivoto/web",
            EXPIRED,
            "no new samples, so removed: 54.00 requests and responses a minute to emojivoto/voting",
        ),
    ]


async def test_events_beyond_20_per_minute_are_dropped() -> None:
    """25 Deployments appear at once: 20 Events, and the metric counts five dropped ones."""
    scenario = Scenario(without_samples())
    await scenario.cycle()
    scenario.prometheus.containers = {
        (f"web{number:02}-5f5b555dff-fcg7c", "c"): (0.1, 1e7) for number in range(25)
    }
    registry = CollectorRegistry()
    CycleMetrics(registry).count_finished(await scenario.cycle(minutes=5), NOON)

    assert [event.workload.name for event in scenario.events.recorded] == [
        f"web{number:02}" for number in range(20)
    ]
    assert registry.get_sample_value("job_profiler_events_dropped_total") == 5


async def test_a_rejected_profile_has_its_event_when_it_is_written() -> None:
    """The API server rejects the memory profile of `web` once: its Event follows in the next cycle."""
    memory = "memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
    store = RefusingProfiles(memory)
    scenario = Scenario(without_samples(), store)
    await scenario.cycle()
    scenario.prometheus.containers = {(WEB_POD, "web-svc"): (0.1, 2e7)}
    await scenario.cycle(minutes=5)
    store.refused.clear()

    await scenario.cycle(minutes=10)

    assert scenario.events.lines == [
        ("emojivoto/web", CREATED, "CPU 0.107 cores"),
        ("emojivoto/web", CREATED, "memory 25424984 bytes"),
    ]

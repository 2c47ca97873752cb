"""A query that fails because of one namespace, or of some steps, stops no other."""

from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.domain.namespaces import EVERY_NAMESPACE
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Connection, Workload
from app.history.samples import StepRange
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.metrics import CycleMetrics
from app.profiler.in_memory import FixedSnapshot, InMemoryProfiles
from app.profiler.ports import ClusterPorts
from tests.profiler.scenario import NEWEST_STEP_SECONDS, NOON, RecordingSink, Scenario, same_profiles
from tests.profiler.teams_prometheus import COLLISION, Teams, refused

NAMES = tuple(f"team-{number:02d}" for number in range(40))
BAD = "team-17"
KINDS = {"cpu": ProfileKind.CPU, "memory": ProfileKind.MEMORY, "connections": ProfileKind.CONNECTION}
every_signal = pytest.mark.parametrize("signal", KINDS)


def late() -> httpx.Response:
    raise httpx.ReadTimeout("")


def reset() -> httpx.Response:
    raise httpx.RemoteProtocolError("server disconnected without sending a response")


def term(teams: Teams, profiles: InMemoryProfiles | None = None) -> Scenario:
    return Scenario(teams.prometheus, profiles, snapshot=ClusterSnapshot())


def namespaces_with(scenario: Scenario, kind: ProfileKind) -> set[str]:
    """The namespaces with stored profiles of one kind."""
    subjects = [profile.subject for profile in scenario.profiles.catalogue if profile.kind is kind]
    ends = (subject.source if isinstance(subject, Connection) else subject for subject in subjects)
    return {end.namespace for end in ends}


@every_signal
@pytest.mark.parametrize(
    "response",
    [
        pytest.param(refused, id="collision"),
        pytest.param(lambda: refused(error="query processing would load too many samples"), id="too-large"),
        pytest.param(lambda: refused(500, "chunk is corrupt"), id="corrupt"),
        pytest.param(late, id="late"),
        pytest.param(lambda: httpx.Response(502, text="bad gateway"), id="querier-ends"),
        pytest.param(lambda: httpx.Response(503, text="no healthy upstream"), id="no-querier"),
        pytest.param(lambda: httpx.Response(404, text="blocked"), id="firewall"),
        pytest.param(reset, id="reset"),
    ],
)
async def test_one_namespace_that_fails_stops_no_other(
    signal: str, response: Callable[[], httpx.Response]
) -> None:
    """One of 40 namespaces fails: the 39 others have all profiles after the second cycle at the latest.

    The fault is named in the signal's state, in the report, in the metrics and in the readiness.
    A server that is late is given time first: chunks are halved over some cycles before namespaces are.
    An error that is also that of a server which is away is the query's own if another query is answered.
    """
    teams = Teams(*NAMES)
    teams.prometheus.answers_others = True
    teams.refuse_namespace(BAD, signal, response)
    scenario = term(teams)
    for minutes in range(0, 60 if response is late else 10, 5):
        report = await scenario.cycle(minutes)

    assert namespaces_with(scenario, KINDS[signal]) == {*NAMES} - {BAD}
    others = set(KINDS.values()) - {KINDS[signal]}
    assert all(namespaces_with(scenario, kind) == {*NAMES} for kind in others)
    state = scenario.sink.signals[signal]
    assert (state["state"], state["reason"]) == ("Degraded", "NamespacesFailed")
    assert list(scenario.sink.reports[-1]["faults"]) == [f"{signal} of namespace {BAD}"]
    metrics = CycleMetrics(registry := CollectorRegistry())
    metrics.count_finished(report, NOON)
    labels = {"signal": signal, "namespace": BAD}
    assert registry.get_sample_value("job_profiler_namespace_failing", labels) == 1
    assert registry.get_sample_value("job_profiler_namespaces_failing", {"signal": signal}) == 1
    assert {f"{signal} of namespace {BAD}", signal} == metrics.faults.keys()


@every_signal
async def test_a_namespace_that_recovers_misses_nothing(signal: str) -> None:
    """It fails from the start for 50 minutes: its missing steps are read then, and it rejoins the others."""
    teams, whole = Teams(*NAMES), Teams(*NAMES)
    teams.refuse_namespace(BAD, signal, refused)
    scenario, healthy = term(teams), term(whole)
    for minutes in (0, 5, 50):
        await scenario.cycle(minutes)
    teams.refuse = lambda _question, _namespaces: None
    for minutes in (55, 60):
        await scenario.cycle(minutes)
    for minutes in (0, 5, 50, 55, 60):
        await healthy.cycle(minutes)

    assert same_profiles(scenario.learned(60), healthy.learned(60))
    assert scenario.values == healthy.values
    assert scenario.sink.signals[signal]["state"] == "Ok"
    assert scenario.sink.reports[-1]["faults"] == {}


@every_signal
async def test_a_failing_namespace_is_not_searched_for_in_every_cycle(signal: str) -> None:
    """The first cycle halves 40 namespaces; each later one has one query on the others and one apart."""
    teams = Teams(*NAMES)
    scenario = term(teams)
    for minutes in (0, 5):
        await scenario.cycle(minutes)
    teams.count(signal)
    await scenario.cycle(10)
    usual = teams.count(signal)
    teams.refuse_namespace(BAD, signal, refused)
    await scenario.cycle(15)
    searched = teams.count(signal)
    await scenario.cycle(20)
    later = teams.count(signal)

    assert usual < searched <= usual * 16
    assert usual < later <= usual + 2


@every_signal
async def test_a_failing_namespace_keeps_its_profiles_after_a_restart(signal: str) -> None:
    """A new leader reads nothing of one namespace: its profiles stay byte by byte, for 40 days."""
    teams = Teams(*NAMES[15:20])
    first = term(teams)
    await first.cycle()
    before = first.stored
    teams.refuse_namespace(BAD, signal, refused)
    restarted = term(teams, first.profiles)
    for minutes in (5, 10, 60):
        await restarted.cycle(minutes)
        assert restarted.stored == before
    for days in range(1, 41):
        await restarted.cycle(days * 1440)

    assert namespaces_with(restarted, KINDS[signal]) == {*teams.names}


@every_signal
async def test_a_namespace_that_is_too_large_for_one_step_is_searched_for_once(signal: str) -> None:
    """Its past has 4,032 steps at most, which would be as many searches.

    9 queries halve the chunk to an hour of 12 steps. For chunks of 12, 6, 3 and 1 steps, 1 + 2 * 6 queries
    halve 40 namespaces to one. With the query on the older steps of the others that are 9 + 4 * 13 + 1 = 62,
    each as many as a mesh needs for an answer.
    """
    teams, whole = Teams(*NAMES), Teams(*NAMES)
    teams.refuse_namespace(BAD, signal, lambda: refused(error="query processing would load too many samples"))
    await term(whole).cycle()
    await term(teams).cycle()

    assert 0 < teams.count(signal) <= 62 * whole.count(signal)


async def test_a_quarter_of_the_namespaces_stops_no_other() -> None:
    """Ten of 40 fail: after some cycles the 30 others have profiles, and exactly the ten are named."""
    teams, bad = Teams(*NAMES), set(NAMES[::4])
    teams.refuse = lambda question, namespaces: (
        refused() if question.signal == "cpu" and bad.intersection(namespaces) else None
    )
    scenario = term(teams)
    for minutes in (0, 5, 10, 15):
        await scenario.cycle(minutes)

    assert namespaces_with(scenario, ProfileKind.CPU) == {*NAMES} - bad
    assert {subject.rpartition(" ")[2] for subject in scenario.sink.reports[-1]["faults"]} == bad


async def test_a_fault_of_all_namespaces_is_one_fault() -> None:
    """Each query is refused: the signal fails, and after a fruitless search a cycle has a single query."""
    teams = Teams(*NAMES)
    scenario = term(teams)
    await scenario.cycle()
    teams.count("cpu")
    teams.refuse = lambda question, _namespaces: refused() if question.signal == "cpu" else None
    await scenario.cycle(5)
    searched = teams.count("cpu")
    await scenario.cycle(10)

    assert scenario.sink.signals["cpu"]["state"] == "Failing"
    assert COLLISION in scenario.sink.signals["cpu"]["message"]
    assert scenario.sink.reports[-1]["faults"] == {}
    assert 14 < searched <= 24
    assert teams.count("cpu") == 1


@every_signal
async def test_steps_that_always_fail_block_neither_newer_nor_older_ones(signal: str) -> None:
    """Queries that reach into 06:00 to 06:10 are refused: all else of both days is read in a few cycles."""
    begin = NEWEST_STEP_SECONDS - 6 * 3600
    teams = Teams(*NAMES[:2])
    teams.refuse = lambda question, _namespaces: (
        refused()
        if question.signal == signal and question.start <= begin + 600 and question.end >= begin
        else None
    )
    scenario = term(teams)
    for minutes in (0, 5, 10, 15):
        await scenario.cycle(minutes)

    state = scenario.sink.signals[signal]
    assert (state["state"], state["reason"]) == ("Degraded", "PastUnread")
    assert COLLISION in state["message"]
    newest = NEWEST_STEP_SECONDS // 300 + 3
    (collector,) = (each for each in scenario._cycle._collector._collectors if each.signal == signal)
    missing = collector.missing(StepRange(newest - 287, newest), EVERY_NAMESPACE)
    assert 3 <= sum(map(len, missing)) <= 24  # the hour of the steps that fail, or the two that they are in


class FailingWatches:
    """The watches of a cluster in which one namespace's Pods can't be listed."""

    def __init__(self) -> None:
        self.reasons = {BAD: "pods can't be listed: 403 Forbidden"}

    def faults(self) -> dict[str, str]:
        """The failing watch."""
        return {f"watch of pods of namespace {name}": reason for name, reason in self.reasons.items()}

    def unlisted_namespaces(self) -> dict[str, str]:
        """The namespace."""
        return self.reasons


async def test_usage_of_unknown_pods_waits_until_they_are_listed() -> None:
    """Pods of one namespace can't be listed for 50 minutes: its steps are read afterwards, none is lost."""
    teams, whole, watches = Teams(*NAMES), Teams(*NAMES), FailingWatches()
    profiles, sink = InMemoryProfiles("profiling"), RecordingSink()
    cluster = ClusterPorts(FixedSnapshot(ClusterSnapshot()), profiles, sink, watches=watches)
    scenario, healthy = Scenario(teams.prometheus, profiles, cluster=cluster), term(whole)
    for minutes in (0, 5, 50):
        await scenario.cycle(minutes)
    for kind in KINDS.values():
        assert namespaces_with(scenario, kind) == {*NAMES} - {BAD}
    assert f"watch of pods of namespace {BAD}" in sink.reports[-1]["faults"]
    assert not any(
        BAD in question.query and "!" not in question.query for question in teams.prometheus.questions
    )

    watches.reasons = {}
    for minutes in (55, 60):
        await scenario.cycle(minutes)
    for minutes in (0, 5, 50, 55, 60):
        await healthy.cycle(minutes)
    assert same_profiles(scenario.learned(60), healthy.learned(60))
    assert Identity(ProfileKind.CPU, Workload(BAD, "web")) in scenario.learned(60)
    assert sink.reports[-1]["faults"] == {}

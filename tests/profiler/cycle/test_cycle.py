"""A whole cycle: its queries, its writes, and what it leaves unchanged."""

import asyncio
import threading
import time
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest

from app.domain.custom_resources import KINDS
from app.domain.profile_names import contract_name, separated_name
from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Connection, Workload
from app.errors import ClusterError, UnavailableError
from app.history.open_steps import Settlement
from app.history.samples import ContainerSamples
from app.history.usage_history import FindWorkload, FoldResult, UsageHistory
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.publisher import MAX_PROFILES, NAMES_TAKEN, NOT_WRITTEN
from app.profiler.in_memory import InMemoryProfiles
from app.profiler.profile_write import ProfileWrite
from tests.profiler.emojivoto_prometheus import PODS, EmojivotoPrometheus
from tests.profiler.refusing_profiles import RefusingProfiles
from tests.profiler.scenario import DEPLOYMENTS, NEWEST_STEP_SECONDS, Scenario

NOON_TEXT = "2026-03-04T12:01:00Z"
MIDNIGHT_SECONDS = NEWEST_STEP_SECONDS - 12 * 3600


def workload(name: str) -> Workload:
    return Workload("emojivoto", name)


def connection(source: str, destination: str) -> Identity:
    return Identity(ProfileKind.CONNECTION, Connection(workload(source), workload(destination)))


async def test_the_first_cycle_publishes_exact_values() -> None:
    """The values are those of the table in `emojivoto_prometheus`."""
    scenario = Scenario(EmojivotoPrometheus())

    report = await scenario.cycle()

    assert {profile.identity: profile.value for profile in scenario.profiles.catalogue} == {
        Identity(ProfileKind.CPU, workload("web")): "0.128",
        Identity(ProfileKind.CPU, workload("voting")): "0.064",
        Identity(ProfileKind.CPU, workload("emoji")): "0.043",
        Identity(ProfileKind.CPU, workload("vote-bot")): "0.022",
        Identity(ProfileKind.MEMORY, workload("web")): "38137476",
        Identity(ProfileKind.MEMORY, workload("voting")): "15254990",
        Identity(ProfileKind.MEMORY, workload("emoji")): "20339986",
        Identity(ProfileKind.MEMORY, workload("vote-bot")): "10169993",
        connection("web", "voting"): "54.00",
        connection("web", "emoji"): "120.00",
        connection("vote-bot", "web"): "180.00",
    }
    assert (report.written, report.failed_writes, report.reasons) == (11, 0, {})


async def test_profiles_have_the_names_of_the_contract() -> None:
    """The five profiles of `web` in the product's description."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()

    assert scenario.values.items() >= {
        ("cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f", "0.128"),
        ("memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f", "38137476"),
        ("connprofile-b2d1d9faa4282ddf04a37d45d30192f1d6bbdb33", "54.00"),
        ("connprofile-fc09272092ec5b7073153c9134d0156117451784", "120.00"),
        ("connprofile-d4cb52bc5247b3dd31773292d8853db6eb96466b", "180.00"),
    }


async def test_the_status_describes_the_samples() -> None:
    """From midnight a day ago to noon are 36 hours of 12 steps: 432 samples of each of web's two containers.

    All steps are covered. The confidence is 36 hours / (36 hours + 24 hours) = 0.60.
    """
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()

    manifest = scenario.profiles.manifests["cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"]

    assert manifest["spec"] == {"cpuProfiling": {"updateTime": NOON_TEXT, "value": "0.128"}}
    status = manifest["status"]
    assert status["window"] == {"start": "2026-03-03T00:00:00Z", "end": "2026-03-04T12:00:00Z"}
    assert (status["samples"], status["coverage"], status["confidence"]) == (864, "1.00", "0.60")
    assert [(entry["name"], entry["value"], entry["samples"]) for entry in status["containers"]] == [
        ("linkerd-proxy", "0.022", 432),
        ("web-svc", "0.107", 432),
    ]
    assert [slot["samples"] for slot in status["slots"]] == [288, 288, 144, 144]


async def test_the_first_cycle_of_a_small_cluster_has_few_queries() -> None:
    """One query on each resource for yesterday and today until noon; connections for the last 24 hours.

    The marks of CPU are a query of their own. Linkerd takes four queries, the first one on the Pods, for the
    last step alone; no other provider has metrics. The series of both kinds are counted once.
    """
    prometheus = EmojivotoPrometheus()
    await Scenario(prometheus).cycle()

    def queried(signal: str) -> list[tuple[int, int]]:
        return [(query.start, query.end) for query in prometheus.questions if query.signal == signal]

    both_days = (MIDNIGHT_SECONDS - 86400 + 300, NEWEST_STEP_SECONDS)
    assert (queried("cpu"), queried("memory")) == ([both_days] * 2, [both_days])
    day, now = (NEWEST_STEP_SECONDS - 86400 + 300, NEWEST_STEP_SECONDS), (NEWEST_STEP_SECONDS,) * 2
    assert queried("connections") == [now, day, day, day]
    assert queried("planning") == [now] * 2


async def test_a_second_cycle_at_the_same_time_does_nothing() -> None:
    """All steps are known: no query, no write, no report."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    before = scenario.stored
    scenario.prometheus.questions.clear()

    report = await scenario.cycle()

    assert scenario.prometheus.questions == []
    assert (report.samples, report.written, scenario.stored) == (0, 0, before)
    assert len(scenario.sink.reports) == 1


async def test_a_cycle_five_minutes_later_queries_three_steps_at_once() -> None:
    """Those that ended at 11:55, 12:00 and 12:05: two queries on usage, two on pressure, four on connections.

    The first of them has settled, so that five samples of each resource are new.

    Only Linkerd was found. All Pods are in the snapshot, so no owners are queried.
    """
    pods = {("emojivoto", pod): workload(name) for name, pod in PODS.items()}
    scenario = Scenario(EmojivotoPrometheus(), snapshot=ClusterSnapshot(pods, DEPLOYMENTS))
    await scenario.cycle()
    scenario.prometheus.questions.clear()

    report = await scenario.cycle(minutes=5)

    questions = scenario.prometheus.questions
    steps = {(query.start, query.end) for query in questions if query.signal != "connections"}
    assert steps == {(NEWEST_STEP_SECONDS - 300, NEWEST_STEP_SECONDS + 300)}
    assert Counter(query.signal for query in questions) == {
        "cpu": 1,
        "memory": 1,
        "throttling": 1,
        "kills": 1,
        "connections": 4,
    }
    assert (report.samples, report.written) == (10, 0)


async def test_owners_are_queried_for_the_past() -> None:
    """The snapshot has all running Pods, but 36 hours of history may have others."""
    pods = {("emojivoto", pod): workload(name) for name, pod in PODS.items()}
    scenario = Scenario(EmojivotoPrometheus(), snapshot=ClusterSnapshot(pods, DEPLOYMENTS))

    await scenario.cycle()

    queries = [query for query in scenario.prometheus.questions if query.signal == "owners"]
    assert [(query.start, query.end) for query in queries] == [(NEWEST_STEP_SECONDS, NEWEST_STEP_SECONDS)] * 2
    assert all("[129600s]" in query.query for query in queries)
    assert scenario.sink.reports[-1]["pastPodsAttributedBy"] == "names"


async def test_owners_of_an_unknown_pod_are_queried() -> None:
    """At 12:05 there are 8 queries and two on owners: kube-state-metrics' metric and the mixin's.

    Once an hour two more count the series, and one asks whose objects are described: a quiet cycle with one
    mesh has at most twelve queries but for that one.
    """
    pods = {("emojivoto", pod): workload(name) for name, pod in PODS.items() if name != "emoji"}
    scenario = Scenario(EmojivotoPrometheus(), snapshot=ClusterSnapshot(pods, DEPLOYMENTS))
    await scenario.cycle()
    scenario.prometheus.questions.clear()

    await scenario.cycle(minutes=5)

    queries = Counter(query.signal for query in scenario.prometheus.questions)
    assert (queries["owners"], queries.total()) == (2, 10)

    scenario.prometheus.questions.clear()
    await scenario.cycle(minutes=60)
    queries = Counter(query.signal for query in scenario.prometheus.questions)
    assert (queries["planning"], queries["reporter"], queries.total()) == (2, 1, 13)


async def test_an_unchanged_report_is_not_written() -> None:
    """Three cycles without a fault, two of them with new samples: one report, and no Event."""
    scenario = Scenario(EmojivotoPrometheus())
    for minutes in (0, 5, 10):
        await scenario.cycle(minutes)

    assert len(scenario.sink.reports) == 1
    assert scenario.sink.events == []
    assert scenario.sink.reports[0] == {
        "signals": [
            {"signal": name, "state": "Ok", "reason": "Answered", "message": "", "since": NOON_TEXT}
            for name in ("cpu", "memory", "connections")
        ],
        "profiles": {"cpu": 4, "memory": 4, "connection": 3},
        "workloadsWithoutProfile": {},
        "workloadsWithoutProfileTotal": 0,
        "workloadsWithoutProfileByReason": {},
        "faults": {},
        "faultsTotal": 0,
        "pastPodsAttributedBy": "names",
        "namespacesWithUnattributedPods": [],
        "edgesOfUnknownEnds": {"namespaces": [], "since": NOON_TEXT},
    }


async def test_copies_of_profiles_take_no_place_and_the_status_names_them() -> None:
    """Eleven profiles, a copy of each under another name, room for eleven.

    A profile that a user deletes is written again; before, the copies kept its place.
    """
    scenario = Scenario(EmojivotoPrometheus(), max_profiles=11)
    await scenario.cycle()
    for name, manifest in list(scenario.profiles.manifests.items()):
        kind = next(kind for kind, known in KINDS.items() if known.kind == manifest["kind"])
        scenario.profiles.catalogue.upsert(
            kind, manifest | {"metadata": manifest["metadata"] | {"name": f"{name}-copy"}}
        )
    web = scenario.profiles.catalogue.get(Identity(ProfileKind.CPU, workload("web")))
    assert web
    await scenario.profiles.remove(web)

    report = await scenario.cycle(5)

    assert (report.written, report.left_out, report.stored) == (1, 0, 11)
    ignored = scenario.sink.reports[-1]["ignoredObjects"]
    assert ignored["total"] == len(ignored["names"]) == 11
    assert f"cpuprofiles/{web.name}-copy" in ignored["names"]


async def test_a_workload_without_a_place_is_named_with_that_reason() -> None:
    """Room for five of eight CPU and memory profiles: the workloads of the other three are named so.

    Before, the reason of those without any profile was NoSamples.
    """
    scenario = Scenario(EmojivotoPrometheus(), max_profiles=5)

    await scenario.cycle()

    stored = {(profile.kind, profile.subject) for profile in scenario.profiles.catalogue}
    lacking = {
        str(workload(name))
        for name in ("web", "voting", "emoji", "vote-bot")
        if not {(kind, workload(name)) for kind in (ProfileKind.CPU, ProfileKind.MEMORY)} <= stored
    }
    report = scenario.sink.reports[-1]
    assert lacking
    assert report["workloadsWithoutProfile"] == dict.fromkeys(lacking, MAX_PROFILES)
    assert report["workloadsWithoutProfileByReason"] == {"MaxProfiles": {"existing": len(lacking), "past": 0}}


async def test_a_workload_whose_names_are_taken_is_named_with_that_reason() -> None:
    """Objects without a workload have both names that the CPU profile of `web` can have."""
    scenario = Scenario(EmojivotoPrometheus())
    web = Identity(ProfileKind.CPU, workload("web"))
    for name in (contract_name(web), separated_name(web)):
        scenario.profiles.catalogue.upsert(ProfileKind.CPU, {"metadata": {"name": name}})

    await scenario.cycle()

    report = scenario.sink.reports[-1]
    assert report["workloadsWithoutProfile"] == {"emojivoto/web": NAMES_TAKEN}
    assert report["ignoredObjects"]["total"] == 2


async def test_without_a_mesh_there_are_cpu_and_memory_profiles_and_no_fault() -> None:
    """Prometheus has no metric of a proxy: connections are absent, which is one Event and no warning."""
    scenario = Scenario(EmojivotoPrometheus(edges={}, proxies=()))
    for minutes in (0, 5):
        await scenario.cycle(minutes)

    assert len(scenario.profiles.manifests) == 8
    assert scenario.sink.signals["connections"]["state"] == "Absent"
    assert [(reason, warning) for reason, _, warning in scenario.sink.events] == [("NoMesh", False)]


async def test_a_connection_needs_enough_samples_too() -> None:
    """The mesh was installed before 11:10: 11 of the 12 required samples at noon, 12 at 12:05."""
    prometheus = EmojivotoPrometheus(mesh_since=NEWEST_STEP_SECONDS - 50 * 60)
    scenario = Scenario(prometheus)

    counts = []
    for minutes in (0, 5):
        await scenario.cycle(minutes)
        counts.append(scenario.sink.reports[-1]["profiles"]["connection"])

    assert counts == [0, 3]
    assert scenario.values["connprofile-b2d1d9faa4282ddf04a37d45d30192f1d6bbdb33"] == "54.00"


async def test_disabled_connections_are_not_queried() -> None:
    """With the provider `none`, no metric of a mesh is queried."""
    scenario = Scenario(EmojivotoPrometheus(), network_provider="none")
    await scenario.cycle()

    signals = {query.signal for query in scenario.prometheus.questions}
    assert signals == {"planning", "reporter", "owners", "cpu", "memory", "throttling", "kills"}
    assert not [query for query in scenario.prometheus.questions if "istio" in query.query]
    assert scenario.sink.signals["connections"]["state"] == "Off"


async def test_a_mesh_without_traffic_is_no_fault() -> None:
    """The proxies are scraped, but no edge has samples, as in a night without traffic."""
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    before = scenario.values
    scenario.prometheus.edges = {}

    await scenario.cycle(minutes=5)

    assert scenario.sink.signals["connections"]["state"] == "Ok"
    assert scenario.values == before


async def test_only_the_changed_value_is_written() -> None:
    """At 12:05 the memory of web doubles, a change that a day of history does not allow for.

    The history has a day and 145 steps, t = 1.503472: 3 / (1 + t)^3 = 0.191202, in full, since the maximum is
    twice the median. Yesterday and today weigh 1 and .503 / .5. The width has its limit, .15; of values e^.02
    apart the one that is e^.22 times the larger maximum costs least (1.6459 of it; 1.6483 and 1.6478 beside
    it). 60,000,000 * e^.22 * 1.191202 = 89,059,767. The other ten objects stay.
    """
    scenario = Scenario(EmojivotoPrometheus())
    await scenario.cycle()
    before = dict(scenario.values)
    for key in [key for key in scenario.prometheus.containers if key[0].startswith("web-")]:
        cores, amount_bytes = scenario.prometheus.containers[key]
        scenario.prometheus.containers[key] = (cores, 2 * amount_bytes)

    report = await scenario.cycle(minutes=5)

    name = "memprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
    assert report.written == 1
    assert scenario.values == before | {name: "89059767"}
    need = scenario.profiles.manifests[name]["spec"]["memoryProfiling"]
    assert need["updateTime"] == "2026-03-04T12:06:00Z"


async def test_a_refused_write_is_retried_in_the_next_cycle() -> None:
    """One of eleven writes is refused: the others succeed, and the report names the profile's workload."""
    name = "cpuprofile-9b9e16387237056ac52a193ffbd6d695831cfe7f"
    store = RefusingProfiles(name)
    scenario = Scenario(EmojivotoPrometheus(), store)

    refused = await scenario.cycle()
    assert (refused.written, refused.failed_writes) == (10, 1)
    assert scenario.sink.reports[-1]["profiles"] == {"cpu": 3, "memory": 4, "connection": 3}
    assert scenario.sink.reports[-1]["workloadsWithoutProfile"] == {"emojivoto/web": NOT_WRITTEN}

    store.refused.clear()
    repeated = await scenario.cycle()
    assert (repeated.written, repeated.failed_writes) == (1, 0)
    assert scenario.sink.reports[-1]["profiles"] == {"cpu": 4, "memory": 4, "connection": 3}


class UnknownProfiles(InMemoryProfiles):
    """A store that can't list its profiles at the first call."""

    async def stored(self) -> object:  # type: ignore[override]  # the result is returned unchanged
        """Raise at the first call, then return the profiles."""
        if not self.manifests and not getattr(self, "has_failed", False):
            self.has_failed = True
            raise UnavailableError("the stored profiles could not be listed yet")
        return await super().stored()


async def test_nothing_is_written_while_the_stored_profiles_are_unknown() -> None:
    """Names depend on the stored profiles. The samples are kept, so the next cycle has no query."""
    scenario = Scenario(EmojivotoPrometheus(), UnknownProfiles("profiling"))
    with pytest.raises(UnavailableError):
        await scenario.cycle()
    assert scenario.profiles.manifests == {}
    scenario.prometheus.questions.clear()

    report = await scenario.cycle()

    assert (report.written, scenario.prometheus.questions) == (11, [])


async def test_a_failed_report_is_written_by_the_next_cycle() -> None:
    """The ConfigMap can't be written in the first cycle; all profiles are written all the same."""
    scenario = Scenario(EmojivotoPrometheus())

    async def refuse(_report: object) -> None:
        raise ClusterError("PATCH configmaps: 403 Forbidden")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenario.sink, "write", refuse)
        report = await scenario.cycle()
    await scenario.cycle()

    assert report.written == 11
    assert len(scenario.sink.reports) == 1


async def test_answers_are_folded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU and memory share the numbers of their series: two threads could assign one number twice."""
    fold, inside, alone = UsageHistory.fold, set[int](), list[bool]()

    def watched(
        self: UsageHistory, samples: ContainerSamples, attribute: FindWorkload, settlement: Settlement
    ) -> FoldResult:
        inside.add(threading.get_ident())
        time.sleep(0.02)
        alone.append(len(inside) == 1)
        inside.discard(threading.get_ident())
        return fold(self, samples, attribute, settlement)

    monkeypatch.setattr(UsageHistory, "fold", watched)
    await Scenario(EmojivotoPrometheus()).cycle()

    assert alone == [True] * 4


async def test_progress_counts_every_step_of_every_signal_once() -> None:
    """36 hours of CPU and of memory, in two days each, and 24 hours of connections: 432 * 2 + 288 = 1152."""
    calls: list[tuple[int, int]] = []
    scenario = Scenario(EmojivotoPrometheus())

    await scenario.cycle(progress=lambda done, total: calls.append((done, total)))

    done = [step for step, _ in calls]
    assert {total for _, total in calls} == {1152}
    assert (done[0], done[-1], len(done)) == (0, 1152, 6)
    assert sorted(after - before for before, after in pairwise(done)) == [144, 144, 288, 288, 288]


async def test_a_deployment_out_of_scope_is_not_listed() -> None:
    """The report lists Deployments without a profile only if they are in scope."""
    elsewhere = Workload("kube-system", "coredns")
    snapshot = ClusterSnapshot(workloads=(*DEPLOYMENTS, elsewhere, workload("idle")))
    scenario = Scenario(EmojivotoPrometheus(), snapshot=snapshot)

    report = await scenario.cycle()

    assert report.reasons == {"emojivoto/idle": "NoSamples: no usage of its Pods was found"}


async def test_cancellation_ends_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that lost its Lease writes nothing more."""
    scenario = Scenario(EmojivotoPrometheus())
    writing = asyncio.Event()

    async def hang(_write: ProfileWrite, _now: datetime) -> None:
        writing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(scenario.profiles, "write", hang)
    cycle = asyncio.create_task(scenario.cycle())
    await writing.wait()
    cycle.cancel()

    with pytest.raises(asyncio.CancelledError):
        await cycle
    assert scenario.profiles.manifests == {}

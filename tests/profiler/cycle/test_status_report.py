"""The status report: reasons without a profile, the limit of listed workloads, and unchanged reports."""

import json

import pytest

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import Connection, Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.status_report import build_report, reasons_without_profile
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import DEPLOYMENTS, Scenario

WEB, API, DB = (Workload("shop", name) for name in ("web", "api", "db"))
STORED: set[Identity] = {Identity(ProfileKind.CPU, WEB), Identity(ProfileKind.MEMORY, WEB)}
NO_SAMPLES = "NoSamples: no usage of its Pods was found"
TOO_FEW = "TooFewSamples: fewer than 12 samples, one per 5 minutes"


def reasons(
    expected: list[Workload],
    stored: set[Identity],
    too_few: set[Identity],
    *,
    answered: bool = True,
) -> dict[str, str]:
    """The reason of each workload without a profile; 12 samples are required."""
    return reasons_without_profile(expected, stored, too_few, min_samples=12, usage_queries_answered=answered)


def test_each_workload_without_a_profile_has_its_reason() -> None:
    """`web` has profiles; `api` has too few samples, `db` none."""
    api_and_db = reasons(
        [WEB, API, DB], STORED, {Identity(ProfileKind.CPU, API), Identity(ProfileKind.MEMORY, API)}
    )

    assert api_and_db == {"shop/api": TOO_FEW, "shop/db": NO_SAMPLES}


def test_a_workload_with_too_few_samples_of_one_resource_is_listed() -> None:
    """Its memory profile is stored, its CPU profile is not; the workload may be deleted."""
    assert reasons([], {Identity(ProfileKind.MEMORY, API)}, {Identity(ProfileKind.CPU, API)}) == {
        "shop/api": TOO_FEW
    }


def test_a_stored_profile_needs_no_reason() -> None:
    """A profile of long ago counts, although a new Prometheus has too few samples."""
    assert reasons([WEB], STORED, {Identity(ProfileKind.CPU, WEB), Identity(ProfileKind.MEMORY, WEB)}) == {}


def test_a_connection_is_no_profile_of_its_source() -> None:
    """A workload with connections only has neither a CPU nor a memory profile."""
    assert reasons([WEB], {Identity(ProfileKind.CONNECTION, Connection(WEB, DB))}, set()) == {
        "shop/web": NO_SAMPLES
    }


def test_failing_sources_are_the_reason() -> None:
    """If the queries fail, the reason is NoAnswer, not NoSamples."""
    assert reasons([WEB, DB], STORED, set(), answered=False) == {
        "shop/db": "NoAnswer: the queries for usage fail"
    }


def test_at_most_2000_workloads_are_listed() -> None:
    """The first 2,000 of 2,001 by namespace and name, and the total; the report is far below 1 MiB."""
    longest = [Workload(f"{n:04d}".rjust(63, "n"), "w" * 63) for n in range(2001)]
    report = build_report(
        [],
        reasons(longest[::-1], set(), set()),
        profiles=[],
        unattributed_namespaces=[],
        past_owner_source="",
    )

    assert list(report["workloadsWithoutProfile"]) == [str(workload) for workload in longest[:2000]]
    assert report["workloadsWithoutProfileTotal"] == 2001
    assert len(json.dumps(report)) < 512 * 1024


def test_workloads_that_exist_come_before_12000_dead_runs() -> None:
    """Of 12,000 runs of the past 50 are listed, after the two that exist; all are counted by reason."""
    runs = [Workload("ci", f"build-{number:05d}", "Job") for number in range(12_000)]
    living = runs[11_999]
    too_few = {Identity(ProfileKind.CPU, run) for run in runs}
    found = reasons_without_profile(
        [DB], set(), too_few, min_samples=12, usage_queries_answered=True, living={living}
    )
    report = build_report([], found, profiles=[], unattributed_namespaces=[], past_owner_source="")

    listed = list(report["workloadsWithoutProfile"])
    assert listed[:2] == [str(living), str(DB)]
    assert listed[2:] == [str(run) for run in runs[:50]]
    assert report["workloadsWithoutProfileTotal"] == 12_001
    assert report["workloadsWithoutProfileByReason"] == {
        "NoSamples": {"existing": 1, "past": 0},
        "TooFewSamples": {"existing": 1, "past": 11_999},
    }


def test_workloads_of_one_namespace_leave_room_for_others() -> None:
    """3,000 Deployments that a tenant has made up, and the one of `shop`, later in the alphabet."""
    made_up = [Workload("aaa", f"d{number:04d}") for number in range(3000)]
    lone = Workload("shop", "web")

    reasons = reasons_without_profile([*made_up, lone], [], [], min_samples=12, usage_queries_answered=True)
    listed = build_report([], reasons, profiles=[], unattributed_namespaces=[], past_owner_source="")[
        "workloadsWithoutProfile"
    ]

    assert list(listed) == [*map(str, made_up[:1999]), str(lone)]


@pytest.mark.parametrize("kind", ["Deployment", "TaskRun"])
def test_long_names_of_a_tenant_fit_the_config_map(kind: str) -> None:
    """3,000 workloads with names of 253 characters, as custom resources have, and one of `shop` later on.

    Each has 300 to 400 characters with its reason: of 2,000 that would be listed, about 1,500 fit in half of
    the MiB of a ConfigMap. Before, workloads of one kind, but Deployments, had turns as one namespace.
    """
    made_up = [Workload("a" * 63, f"{number:04d}".rjust(253, "n"), kind) for number in range(3000)]
    lone = Workload("shop", "web", kind)

    reasons = reasons_without_profile([*made_up, lone], [], [], min_samples=12, usage_queries_answered=True)
    report = build_report([], reasons, profiles=[], unattributed_namespaces=[], past_owner_source="")

    size = len(json.dumps(report))
    print(f"\n{len(report['workloadsWithoutProfile'])} of 3,001 workloads listed in {size:,} bytes")
    assert str(lone) in report["workloadsWithoutProfile"]
    assert size < 560 * 1024


def test_faults_are_limited_too() -> None:
    """A thousand namespaces with long error texts fit the ConfigMap; the total is known."""
    faults = {f"cpu of namespace {n:04d}": "e" * 5000 for n in range(1000)}
    report = build_report(
        [], {}, faults=faults, profiles=[], unattributed_namespaces=[], past_owner_source=""
    )

    assert (len(report["faults"]), report["faultsTotal"]) == (200, 1000)
    assert len(json.dumps(report)) < 100 * 1024


def test_namespaces_with_unattributed_pods_are_limited_too() -> None:
    """A cluster of 10,000 namespaces with long names, each with a StatefulSet, still fits the ConfigMap."""
    names = [f"{n:05d}".rjust(63, "n") for n in range(10_000)]
    report = build_report([], {}, profiles=[], unattributed_namespaces=set(names), past_owner_source="")

    assert report["namespacesWithUnattributedPods"] == names[:2000]


async def test_too_few_samples_are_a_reason_until_there_are_enough() -> None:
    """A Pod with its first sample at 11:10 has 11 of the 12 at 12:00, and the twelfth at 12:05."""
    prometheus = EmojivotoPrometheus()
    scenario = Scenario(
        prometheus, snapshot=ClusterSnapshot(workloads=(*DEPLOYMENTS, Workload("emojivoto", "idle")))
    )
    await scenario.cycle(minutes=-45)
    prometheus.containers["late-5f5b555dff-fcg7c", "late"] = (0.1, 1e7)
    for minutes in range(-40, 5, 5):  # the first of them reads 11:10 again
        await scenario.cycle(minutes)

    listed = scenario.sink.reports[-1]["workloadsWithoutProfile"]
    assert listed == {"emojivoto/late": TOO_FEW, "emojivoto/idle": NO_SAMPLES}

    await scenario.cycle(minutes=5)
    assert scenario.sink.reports[-1]["workloadsWithoutProfile"] == {"emojivoto/idle": NO_SAMPLES}


async def test_the_report_is_equal_in_quiet_cycles() -> None:
    """A day of cycles, each with new samples: the report is written once."""
    idle = Workload("emojivoto", "idle")
    prometheus = EmojivotoPrometheus()
    prometheus.containers["db-0", "db"] = (0.1, 1e7)
    scenario = Scenario(prometheus, snapshot=ClusterSnapshot(workloads=(*DEPLOYMENTS, idle)))

    for minutes in (0, 2.5, 5, 60, 720, 1440):
        await scenario.cycle(minutes)

    assert len(scenario.sink.reports) == 1
    assert scenario.sink.reports[0]["workloadsWithoutProfile"] == {"emojivoto/idle": NO_SAMPLES}
    assert scenario.sink.reports[0]["namespacesWithUnattributedPods"] == ["emojivoto"]

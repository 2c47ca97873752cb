"""The registry of workloads: existing objects, deleted Jobs, and the snapshot of both."""

import pytest

from app.domain.annotations import POLICY_PREFIX
from app.domain.container_roles import TemplateContainers, template_containers
from app.domain.namespaces import NamespaceSelection
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicySource
from app.domain.profiles import Resource
from app.domain.template_amounts import NO_TEMPLATE_AMOUNTS, template_amounts
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy
from app.domain.workload_record import WorkloadRecord
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.registries.workloads import WorkloadRegistry, WorkloadSink
from tests.kubernetes.polling import Clock

REPORT = Workload("shop", "report", "CronJob")
WITH_MIGRATION = template_containers([("migrate", "")])


def record(
    name: str, kind: str = "Deployment", *, namespace: str = "shop", cron_job: Workload | None = None
) -> WorkloadRecord:
    return WorkloadRecord(Workload(namespace, name, kind), f"uid-of-{name}", cron_job)


def run(name: str, cron_job: Workload | None = REPORT) -> WorkloadRecord:
    """A Job of the CronJob `report`."""
    return record(name, "Job", cron_job=cron_job)


def a_policy(**annotations: str) -> WorkloadPolicy:
    """The policy of an object with these annotations."""
    named = {f"{POLICY_PREFIX}{key}": value for key, value in annotations.items()}
    return read_policy(named, PolicySource.WORKLOAD)


def names(registry: WorkloadRegistry) -> list[str]:
    """The existing workloads."""
    return sorted(str(workload) for workload in registry.snapshot({}).uids)


def runs(registry: WorkloadRegistry) -> list[str]:
    """The Jobs with a CronJob in the snapshot."""
    return sorted(job.name for job in registry.snapshot({}).cron_jobs)


def test_the_snapshot_has_all_objects() -> None:
    """Pods as given; only long-running workloads are expected to have a profile; UIDs of all objects."""
    web = WorkloadRecord(Workload("shop", "web"), "u1", template=WITH_MIGRATION)
    db, report = record("db", "StatefulSet"), record("report", "CronJob")
    lone = record("lone", "Job")
    registry = WorkloadRegistry(Clock())
    for workload in (web, db, report, run("report-1"), lone):
        registry.put(workload)

    assert registry.snapshot({("shop", "web-0"): web.workload}) == ClusterSnapshot(
        pods={("shop", "web-0"): web.workload},
        workloads=(web.workload, db.workload),
        cron_jobs={Workload("shop", "report-1", "Job"): REPORT},
        uids={
            web.workload: "u1",
            db.workload: "uid-of-db",
            REPORT: "uid-of-report",
            Workload("shop", "report-1", "Job"): "uid-of-report-1",
            lone.workload: "uid-of-lone",
        },
        templates={web.workload: WITH_MIGRATION},
        amounts={web.workload: NO_TEMPLATE_AMOUNTS},
        policies=dict.fromkeys((web.workload, db.workload, REPORT, lone.workload), NO_POLICY),
        living=frozenset({REPORT}),
    )


def test_templates_of_runs_belong_to_their_group() -> None:
    """A Job of CronJob `report`, and one with a generated name: the group `build`."""
    registry = WorkloadRegistry(Clock())
    for name, cron_job in (("report-28394810", REPORT), ("build-x7k2p", None)):
        job = Workload("shop", name, "Job")
        registry.put(WorkloadRecord(job, cron_job=cron_job, template=WITH_MIGRATION))

    assert registry.snapshot({}).templates == {
        REPORT: WITH_MIGRATION,
        Workload("shop", "build", "Job"): WITH_MIGRATION,
    }


def test_policies_belong_to_what_is_profiled() -> None:
    """A CronJob's own object decides, not the runs that were created before it changed.

    Of other runs that share a profile, the policy with the most rules counts, in any order.
    """
    old, new = (a_policy(risk=risk) for risk in ("low", "high"))
    more = a_policy(risk="low", off="true")
    registry = WorkloadRegistry(Clock())
    for name, kind, cron_job, found in (
        ("report-28394810", "Job", REPORT, old),
        ("report", "CronJob", None, new),
        ("build-x7k2p", "Job", None, old),
        ("build-x8k2p", "Job", None, more),
        ("build-x9k2p", "Job", None, NO_POLICY),
    ):
        registry.put(WorkloadRecord(Workload("shop", name, kind), cron_job=cron_job, policy=found))

    assert registry.snapshot({}).policies == {REPORT: new, Workload("shop", "build", "Job"): more}


def test_a_policy_is_that_of_object_and_namespace() -> None:
    """Of an object that is not there, and of a namespace that can't be read, nothing is known.

    Rollouts are not read: they have the policy of their namespace.
    """
    namespace = a_policy(risk="low", maxcpu="1")
    web = record("web").workload
    snapshot = ClusterSnapshot(
        policies={web: a_policy(off="true")},
        namespace_policies={"shop": namespace},
        known_namespaces=NamespaceSelection(frozenset({"shop"})),
    )

    found = snapshot.policy_of(web)
    assert found
    assert [rule.annotation for rule in found.rules] == ["off", "risk"]
    assert found.faults == ()
    assert snapshot.policy_of(record("gone").workload) is None
    assert snapshot.policy_of(Workload("elsewhere", "web", "Rollout")) is None
    assert snapshot.policy_of(Workload("shop", "web", "Rollout")) == namespace.without_faults()


def test_it_follows_a_watch() -> None:
    """Of a list of two, one gets a new UID (it was recreated), one is deleted and one is added."""
    registry = WorkloadRegistry(Clock())
    sink = WorkloadSink(registry, "Deployment", None)
    sink.replace([record("a"), record("b")])
    sink.upsert(WorkloadRecord(Workload("shop", "a"), "new"))
    sink.delete(record("b"))
    sink.upsert(record("c"))

    assert registry.snapshot({}).uids == {Workload("shop", "a"): "new", Workload("shop", "c"): "uid-of-c"}
    assert registry.snapshot({}).workloads == (Workload("shop", "a"), Workload("shop", "c"))


def test_a_new_list_leaves_other_kinds_and_namespaces_alone() -> None:
    """Each kind has its own watch in each listed namespace: an object that one does not list stays."""
    registry = WorkloadRegistry(Clock())
    shop = WorkloadSink(registry, "Deployment", "shop")
    shop.replace([record("a"), record("b")])
    WorkloadSink(registry, "StatefulSet", "shop").replace([record("a", "StatefulSet")])
    WorkloadSink(registry, "Deployment", "bank").replace([record("a", namespace="bank")])
    shop.replace([record("b")])

    assert names(registry) == ["StatefulSet/shop/a", "bank/a", "shop/b"]


def test_a_new_list_of_all_namespaces_replaces_all_of_its_kind() -> None:
    """The namespace `bank` is deleted with all its objects."""
    registry = WorkloadRegistry(Clock())
    sink = WorkloadSink(registry, "Deployment", None)
    sink.replace([record("a"), record("a", namespace="bank")])
    sink.replace([record("a")])

    assert names(registry) == ["shop/a"]


@pytest.mark.parametrize(("seconds", "remembered"), [(0, True), (7199, True), (7200, False)])
def test_the_cron_job_of_a_deleted_job_is_remembered_for_two_hours(
    seconds: float, *, remembered: bool
) -> None:
    """The last samples of its Pods are queried after its deletion; the snapshot lacks the object."""
    clock = Clock(1000)
    registry = WorkloadRegistry(clock)
    registry.put(run("report-1"))
    registry.remove(run("report-1"))
    clock.now += seconds

    assert (runs(registry) == ["report-1"]) is remembered
    assert names(registry) == []


def test_a_job_that_a_list_lacks_is_deleted() -> None:
    """Deleted while the watch was interrupted: it is remembered like one with a reported deletion."""
    registry = WorkloadRegistry(Clock())
    sink = WorkloadSink(registry, "Job", None)
    sink.replace([run("report-1"), run("report-2")])
    sink.replace([run("report-2")])

    assert runs(registry) == ["report-1", "report-2"]
    assert names(registry) == ["Job/shop/report-2"]


def test_a_new_job_replaces_a_deleted_one_of_its_name() -> None:
    """A user created `report-1` after the CronJob's Job was deleted."""
    registry = WorkloadRegistry(Clock())
    registry.put(run("report-1"))
    registry.remove(run("report-1"))
    registry.put(run("report-1", cron_job=None))

    assert runs(registry) == []


def test_other_deleted_workloads_are_not_remembered() -> None:
    """A deleted Deployment needs no profile, and a Job without a CronJob is not needed."""
    registry = WorkloadRegistry(Clock())
    for workload in (record("web"), record("lone", "Job")):
        registry.put(workload)
        registry.remove(workload)

    assert registry.snapshot({}) == ClusterSnapshot()


def test_the_number_of_remembered_jobs_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two of three; a Job that is deleted again becomes the newest one."""
    monkeypatch.setattr("app.profiler.registries.workloads.MAX_REMEMBERED", 2)
    registry = WorkloadRegistry(Clock())
    for name in ("a", "b", "a", "c"):
        registry.put(run(name))
        registry.remove(run(name))

    assert runs(registry) == ["a", "c"]


def test_amounts_of_runs_are_those_of_the_one_that_requests_most() -> None:
    """Two Jobs of CronJob `report`: 100m of CPU with 2Gi of memory, and 250m with 1Gi."""
    registry = WorkloadRegistry(Clock())
    template = TemplateContainers(containers=frozenset({"main"}))
    for name, cpu, memory in (("report-1", "100m", "2Gi"), ("report-2", "250m", "1Gi")):
        amounts = template_amounts([("main", {"cpu": cpu, "memory": memory}, {})])
        job = Workload("shop", name, "Job")
        registry.put(WorkloadRecord(job, cron_job=REPORT, template=template, amounts=amounts))

    snapshot = registry.snapshot({})

    states = [snapshot.state_of(resource, REPORT) for resource in Resource]
    assert [state.amounts.request for state in states if state] == ["250m", "2Gi"]
    assert [state.desired_replicas for state in states if state] == [None, None]


def test_replicas_of_a_workload() -> None:
    """A Deployment with 3 desired and 2 ready replicas, one with none ready, and one that is not known."""
    registry = WorkloadRegistry(Clock())
    template = TemplateContainers(containers=frozenset({"main"}))
    for name, ready in (("web", 2), ("db", 0)):
        workload = Workload("shop", name)
        registry.put(WorkloadRecord(workload, template=template, ready_replicas=ready, desired_replicas=3))
    snapshot = registry.snapshot({})

    def replicas(name: str) -> tuple[int | None, int | None] | None:
        state = snapshot.state_of(Resource.CPU, Workload("shop", name))
        return (state.ready_replicas, state.desired_replicas) if state else None

    assert [replicas(name) for name in ("web", "db", "other")] == [(2, 3), (0, 3), None]

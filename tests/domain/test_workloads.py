"""The workload of an owner, run groups, and the lookup order of profiles."""

import pytest

from app.domain.profile_lookup import profile_lookup_order
from app.domain.workloads import Owner, Workload, bare_pod, owner_workload, run_group


def test_a_replicaset_with_the_pods_hash_belongs_to_its_deployment() -> None:
    """ReplicaSet `web-87cf995f7` with label `pod-template-hash: 87cf995f7` belongs to Deployment `web`."""
    owner = Owner("ReplicaSet", "web-87cf995f7")

    workload = owner_workload("emojivoto", owner, {"pod-template-hash": "87cf995f7"})

    assert workload == Workload("emojivoto", "web", "Deployment")


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        pytest.param(Owner("ReplicaSet", "web"), {}, ("web", "ReplicaSet"), id="bare-replicaset"),
        pytest.param(
            Owner("ReplicaSet", "web-abc"),
            {"pod-template-hash": "def"},
            ("web-abc", "ReplicaSet"),
            id="other-hash",
        ),
        pytest.param(
            Owner("ReplicaSet", "-abc"),
            {"pod-template-hash": "abc"},
            ("-abc", "ReplicaSet"),
            id="nothing-before-hash",
        ),
        pytest.param(
            Owner("ReplicaSet", "web-7d4b9c6f8-5f5b555dff"),
            {"pod-template-hash": "5f5b555dff"},
            ("web-7d4b9c6f8", "Deployment"),
            id="deployment-that-looks-like-a-replicaset",
        ),
        pytest.param(
            Owner("StatefulSet", "db"), {"pod-template-hash": "x"}, ("db", "StatefulSet"), id="statefulset"
        ),
    ],
)
def test_any_other_owner_is_the_workload_itself(
    owner: Owner, labels: dict[str, str], expected: tuple[str, str]
) -> None:
    """Only the exact tail `-<pod-template-hash>` of a ReplicaSet is cut off."""
    workload = owner_workload("shop", owner, labels)

    assert workload is not None
    assert (workload.name, workload.kind) == expected


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        pytest.param(
            Owner("ReplicaSet", "web-7d4b9c6f8"),
            {"rollouts-pod-template-hash": "7d4b9c6f8"},
            Workload("shop", "web", "Rollout"),
            id="argo-rollout",
        ),
        pytest.param(
            Owner("ReplicationController", "web-3"),
            {"deploymentconfig": "web"},
            Workload("shop", "web", "DeploymentConfig"),
            id="deployment-config",
        ),
        pytest.param(
            Owner("ReplicationController", "web-api"),
            {"deploymentconfig": "web"},
            Workload("shop", "web-api", "ReplicationController"),
            id="replication-controller-with-a-label-of-its-own",
        ),
    ],
)
def test_labels_name_the_controller_of_the_owner(
    owner: Owner, labels: dict[str, str], expected: Workload
) -> None:
    """The labels that controllers set name the owner's owner, so no API call is needed."""
    assert owner_workload("shop", owner, labels) == expected


@pytest.mark.parametrize(
    ("name", "kind", "group"),
    [
        pytest.param("build-x7k2p", "Job", "build", id="generated-job"),
        pytest.param("run-tests-pod-4zq8w", "TaskRun", "run-tests-pod", id="run-of-another-controller"),
        pytest.param("debug-7w4ct", "Pod", "debug", id="generated-bare-pod"),
        pytest.param("runner-xvbnm", "Pod", "runner", id="generated-of-letters-alone"),
        pytest.param("build-tools", "Job", "build-tools", id="a-word-is-no-tail"),
        pytest.param("report-28394", "Job", "report-28394", id="a-number-is-no-tail"),
        pytest.param("web-x7k2p", "StatefulSet", "web-x7k2p", id="what-is-named-keeps-its-name"),
    ],
)
def test_runs_with_generated_names_are_one_workload(name: str, kind: str, group: str) -> None:
    """`generateName` adds five characters without vowels; only such a suffix is removed."""
    assert run_group(Workload("ci", name, kind)) == Workload("ci", group, kind)


def order_of(workload: Workload, *, may_be_scheduled: bool = True) -> tuple[Workload, ...]:
    """The workloads whose profiles count, in the order of the lookup."""
    return tuple(profile_lookup_order(workload, may_be_scheduled=may_be_scheduled))


def test_a_jobs_profile_is_looked_up_by_its_own_name_first() -> None:
    """`report-28394810` may be a Job with that name or a run of CronJob `report`; the Pod does not say."""
    job = Workload("shop", "report-28394810", "Job")

    assert order_of(job)[:2] == (job, Workload("shop", "report", "CronJob"))


def test_a_short_number_is_no_schedule() -> None:
    """Job `backup-2` beside CronJob `backup` is a Job of its own: a schedule has 8 digits, or 10 before 1.21.

    Where the Job is known to have no CronJob, a long number is none either.
    """
    for name in ("backup-2", "backup-2026112", "backup-20261129103"):
        assert Workload("shop", "backup", "CronJob") not in order_of(Workload("shop", name, "Job"))
    for name in ("backup-29123456", "backup-1700000000"):
        job = Workload("shop", name, "Job")
        assert order_of(job)[1] == Workload("shop", "backup", "CronJob")
        assert order_of(job, may_be_scheduled=False)[0] == job
        assert Workload("shop", "backup", "CronJob") not in order_of(job, may_be_scheduled=False)


def test_a_generated_job_is_looked_up_by_its_group_too() -> None:
    """First `build-x7k2p`, then the group `build`; a Deployment is looked up only by its own name."""
    job, web = Workload("ci", "build-x7k2p", "Job"), Workload("ci", "build-x7k2p")

    assert order_of(job) == (job, Workload("ci", "build", "Job"))
    assert order_of(web) == (web,)


def test_the_identity_of_a_bare_pod_is_its_name_or_its_generated_name() -> None:
    """`debug-` groups all `debug-xxxxx`: at admission without a name, later with one, also of digits."""
    assert bare_pod("shop", "debug") == Workload("shop", "debug", "Pod")
    assert bare_pod("shop", "", "debug-") == run_group(bare_pod("shop", "debug-7w4ct"))
    assert bare_pod("shop", "debug-24567", "debug-") == bare_pod("shop", "", "debug-")

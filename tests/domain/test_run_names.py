"""Groups of runs by the shape of their names: the parts that differ, and from how many runs on."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.dns_names import has_possible_name
from app.domain.run_names import new_groups, run_groups
from app.domain.workloads import NAMED_KINDS, Workload, run_group

# What Kubernetes, Airflow and Jenkins choose their characters from.
GENERATED, ALPHANUMERIC = "bcdfghjklmnpqrstvwxz2456789", "abcdefghijklmnopqrstuvwxyz0123456789"
JENKINS = "bcdfghjklmnpqrstvwxz0123456789"


def groups(name: str, kind: str = "Pod") -> list[str]:
    """The groups that a run of that name may belong to."""
    return [group.name for group in run_groups(Workload("ci", name, kind))]


@pytest.mark.parametrize(
    ("kind", "name", "group"),
    [
        pytest.param("Workflow", "etl-1700000000", "etl-{digits}", id="argo-cron-workflow"),
        pytest.param(
            "SparkApplication", "spark-pi-1602243240000000000", "spark-pi-{digits}", id="scheduled-spark"
        ),
        pytest.param(
            "Pod", "spark-pi-1602243240000000000-driver", "spark-pi-{digits}-driver", id="spark-driver"
        ),
        pytest.param("Pod", "spark-pi-7f3a2b1c9d8e4f50-driver", "spark-pi-{hex}-driver", id="spark-submit"),
        pytest.param("PipelineRun", "deploy-1700000000123", "deploy-{digits}", id="tekton-milliseconds"),
        pytest.param("TaskRun", "build-run-x7k2p-compile", "build-run-{random}-compile", id="tekton-task"),
        pytest.param(
            "Pod",
            "runner-zxwgkjap-project-42-concurrent-0-x7k2p8ab",
            "runner-zxwgkjap-project-42-{random}",
            id="gitlab",
        ),
        pytest.param(
            "Pod",
            "runner-zxwgkjap-project-42-concurrent-3vwbnm",
            "runner-zxwgkjap-project-42-{random}",
            id="gitlab-before-16",
        ),
        pytest.param("Pod", "hello-world-x7k2p3ab", "hello-world-{random}", id="airflow"),
        pytest.param("Pod", "load-0f8fad5bd9cb469fa16570867728950e", "load-{hex}", id="airflow-before-2"),
        pytest.param("Pod", "deploy-12-x7k2p-4zq1w", "deploy-{random}", id="jenkins-build"),
        pytest.param("Pod", "maven-bcdfg-4zq1w", "maven-{random}", id="jenkins-template"),
        pytest.param("Job", "scan-0f8fad5b-d9cb-469f-a165-70867728950e", "scan-{uuid}", id="uuid"),
        pytest.param("Job", "build-8f14e45f", "build-{hex}", id="commit"),
        pytest.param("Job", "backup-29123456", "backup-{digits}", id="run-of-a-deleted-cron-job"),
        pytest.param("Job", "import-2026-11-29", "import-{digits}", id="date"),
        pytest.param("Job", "import-20261129t103000", "import-{digits}", id="time"),
        pytest.param("Job", "trainer-x7k2p-worker-0", "trainer-{random}-worker-0", id="part-of-a-job-set"),
        pytest.param("Job", "migrate-3", "migrate-{digits}", id="number-of-a-job"),
        pytest.param("Pod", "0f8fad5b-d9cb-469f-a165-70867728950e", "{uuid}", id="prow"),
        pytest.param("Job", "0f8fad5b-d9cb-469f-a165-70867728950e", "{uuid}", id="uuid-alone"),
        pytest.param("Pod", "0f8fad5bd9cb469fa16570867728950e-main", "{hex}-main", id="hex-alone"),
        pytest.param("Pod", "etl.0f8fad5bd9cb469fa16570867728950e", "etl.{hex}", id="airflow-1.10"),
        pytest.param("Pod", "ci-2026-01-31-120000", "ci-{digits}", id="date-and-time"),
        pytest.param("Pod", "ci-2026-01-31t12-00-00z", "ci-{digits}", id="date-t-time"),
        pytest.param("Pod", "ci-20260131t12-00-00", "ci-{digits}", id="short-date-t-time"),
        pytest.param("Pod", "ci-2026.01.31.12.00.00.123456789", "ci-{digits}", id="date-with-dots"),
        pytest.param("Pod", "report-2026-01", "report-{digits}", id="month"),
        pytest.param("Pod", "ci-2026-01-31-3", "ci-{digits}", id="date-and-number"),
        pytest.param("Pod", "app-3-build", "app-{digits}-build", id="openshift-build"),
        pytest.param("Pod", "app-12-deploy", "app-{digits}-deploy", id="openshift-deployment"),
        pytest.param("Pod", "app-12-hook-pre", "app-{digits}-hook-pre", id="openshift-hook"),
        pytest.param("Build", "app-3", "app-{digits}", id="openshift-build-object"),
        pytest.param("Pod", "job-12-abcde-fghij-klmno", "job-{random}", id="jenkins-three-suffixes"),
        pytest.param("Pod", "maven-bcdfg-4zq1w-x7k2p", "maven-{random}", id="jenkins-template-three"),
        pytest.param("Pod", "pi-7f3a2b1c9d8e4f50-exec-17", "pi-{hex}-exec", id="spark-executor"),
        pytest.param(
            "Pod", "etl-x7k2p-main-1234567890", "etl-{random}-main-{digits}", id="argo-pod-of-a-workflow"
        ),
        pytest.param(
            "Pod",
            "train-1700000000-system-impl-1234567890",
            "train-{digits}-system-impl-{digits}",
            id="kubeflow-pipeline",
        ),
        pytest.param("Pod", "build-run-x7k2p-unit-pod", "build-run-{random}-unit-pod", id="tekton-pod"),
        pytest.param("Pod", "build-run-12-unit-pod", "build-run-{digits}-unit-pod", id="tekton-numbered-pod"),
        pytest.param("TaskRun", "build-run-12-unit", "build-run-{digits}-unit", id="tekton-numbered-task"),
        pytest.param("Trial", "tune-x7k2p3ab", "tune-{random}", id="katib"),
        pytest.param("RayCluster", "train-x7k2p-raycluster", "train-{random}-raycluster", id="ray-job"),
        pytest.param(
            "RayCluster", "train-3-raycluster-ab01e", "train-{digits}-raycluster", id="numbered-ray-job"
        ),
        pytest.param("Job", "migrate-1.2.3", "migrate-{digits}", id="version"),
    ],
)
def test_the_part_that_differs_is_replaced_by_its_shape(kind: str, name: str, group: str) -> None:
    """The names that each scheduler gives; a group's name is none that an object can have."""
    assert groups(name, kind)[0] == group
    assert groups(group, kind) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param("Job", "build-tools", id="words"),
        pytest.param("Job", "etl-deadbeefs", id="letters"),
        pytest.param("Pod", "web-1", id="numbered-pod"),
        pytest.param("RayCluster", "ray-1700000000", id="kind-that-does-not-end"),
        pytest.param("StrimziPodSet", "kafka-12345678", id="another"),
        pytest.param("ScaledJob", "queue-1", id="kind-that-starts-runs"),
        pytest.param("CronWorkflow", "report-20261129", id="another-that-starts-runs"),
        pytest.param("Job", "1700000000", id="nothing-before-it"),
        pytest.param("RayCluster", "prod-raycluster", id="ray-cluster-of-a-person"),
        pytest.param("RayService", "serve-1700000000-raycluster", id="ray-service"),
        pytest.param("Pod", "web-1-pod", id="numbered-pod-of-a-person"),
        pytest.param("Pod", "app-build", id="no-number"),
        pytest.param("Job", "step-1-load", id="step-of-a-person"),
    ],
)
def test_other_names_are_in_no_group(kind: str, name: str) -> None:
    """Words, small numbers of bare Pods, and kinds that run all the time."""
    assert groups(name, kind) == []


def test_a_random_part_may_look_like_a_number() -> None:
    """Of 8 hexadecimal characters all are digits in 2 % of all cases: such a run joins the known group."""
    members = [Workload("ci", f"build-{tail}", "Job") for tail in ("8f14e45f", "c9f0f895", "45c48cce")]
    group = Workload("ci", "build-{hex}", "Job")
    digits = Workload("ci", "build-12345678", "Job")

    assert new_groups([*members, digits], frozenset()) == dict.fromkeys(members, group)
    assert new_groups([digits], frozenset({group})) == {digits: group}


def test_a_word_with_a_number_founds_no_group() -> None:
    """`migrate-orders01` and two like it are three workloads; `x7k2p3ab` and two like it are runs."""
    words = [Workload("ci", f"migrate-{word}", "Job") for word in ("orders01", "users002", "invoice3")]
    random = [Workload("ci", f"migrate-{tail}", "Job") for tail in ("x7k2p3ab", "0qpz81ud", "r4nd0m1x")]

    assert new_groups(words, frozenset()) == {}
    assert set(new_groups(random, frozenset()).values()) == {Workload("ci", "migrate-{random}", "Job")}


def test_numbered_jobs_are_a_group_from_the_third_on() -> None:
    """Three shards that run at once are one policy; two years of a report are two workloads.

    A Job states nothing by which shards differ from loads of different sizes; nor do their names.
    """
    shards = [Workload("ci", f"shard-{number}", "Job") for number in range(3)]
    years = [Workload("ci", f"report-{year}", "Job") for year in (2024, 2025)]

    groups_of = new_groups([*shards, *years], frozenset())

    assert groups_of == dict.fromkeys(shards, Workload("ci", "shard-{digits}", "Job"))


@pytest.mark.parametrize("kind", sorted(NAMED_KINDS))
def test_numbered_workloads_that_stay_are_never_a_group(kind: str) -> None:
    """`web-1`, `web-2` and `web-3`, also beside Jobs of the same names whose group is known."""
    stay = [Workload("ci", f"web-{number}", kind) for number in range(1, 4)]
    jobs = [Workload("ci", one.name, "Job") for one in stay]
    known = Workload("ci", "web-{digits}", "Job")

    assert new_groups(stay, frozenset()) == new_groups(stay, frozenset({known})) == {}
    assert new_groups([*stay, *jobs], frozenset()) == dict.fromkeys(jobs, known)


def test_no_name_takes_over_the_group_of_another_namespace() -> None:
    """The name of a group is no object's, and runs of `evil` with the same shape are a group of their own."""
    known = Workload("ci", "etl-{digits}", "Job")
    claimed = [Workload("evil", f"etl-170000000{number}", "Job") for number in range(3)]
    forged = Workload("evil", "etl-{digits}", "Job")

    assert not has_possible_name(forged)
    assert new_groups([*claimed, forged], frozenset({known})) == dict.fromkeys(claimed, forged)


def test_a_random_part_of_letters_joins_a_group() -> None:
    """One of fourteen parts that Airflow chooses, and one of five of Kubernetes, has no digit.

    Such a run joins what others make, in one call or later, and three of them alone make nothing: words.
    """
    mixed = [Workload("ci", f"dag-task-{tail}", "Pod") for tail in ("x7k2p3ab", "0qpz81ud", "r4nd0m1x")]
    letters = [Workload("ci", f"dag-task-{tail}", "Pod") for tail in ("bdwiiiqr", "qlpzouda", "database")]
    tasks = [Workload("ci", f"build-{tail}-unit", "TaskRun") for tail in ("x7k2p", "b4c5d", "z2z2z")]
    task = Workload("ci", "build-hkmgg-unit", "TaskRun")
    pods, units = Workload("ci", "dag-task-{random}", "Pod"), Workload("ci", "build-{random}-unit", "TaskRun")

    assert new_groups(letters, frozenset()) == {}
    assert new_groups([*letters, *mixed], frozenset()) == dict.fromkeys([*letters, *mixed], pods)
    assert new_groups(letters, frozenset({pods})) == dict.fromkeys(letters, pods)
    assert new_groups([task], frozenset()) == {}
    assert new_groups([task, *tasks], frozenset()) == dict.fromkeys([task, *tasks], units)


def test_words_beside_a_group_stay_out() -> None:
    """A Job with a word of eight letters is none of the runs with random parts beside it, nor is any word.

    Of letters that are no word, with five consonants in a row, it is.
    """
    known = frozenset({Workload("ci", "migrate-{random}", "Job"), Workload("ci", "etl-{digits}", "Job")})
    words = ("postgres", "database", "frontend", "orders", "previous", "a-b-c")

    assert new_groups([Workload("ci", f"migrate-{word}", "Job") for word in words], known) == {}
    assert new_groups([Workload("ci", f"etl-{word}", "Job") for word in words], known) == {}
    assert len(new_groups([Workload("ci", "migrate-qwrtzpsa", "Job")], known)) == 1


@pytest.mark.parametrize("part", ["2026-01", "2026-01-31t12", "x7k2p-x", "bcdfghjk", "raycluster", "exec-1"])
@pytest.mark.parametrize("kind", ["Job", "Pod", "TaskRun", "RayCluster"])
def test_no_name_with_dates_takes_long(part: str, kind: str) -> None:
    """The same for the forms of dates, of tasks, of Spark and of Ray."""
    for separator in "-.":
        for end in ("x", "-", "é", "-raycluster-", "-pod-"):
            groups(f"{f'{part}{separator}' * (240 // (len(part) + 1))}{end}", kind)


@pytest.mark.parametrize("part", ["12345678", "1", "x7k2p", "8f14e45f", "2026", "concurrent-0", "project-1"])
@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_no_name_takes_long(part: str, kind: str) -> None:
    """Any tenant chooses names of up to 253 characters: many parts that fit a form, and an end that does not.

    Patterns that try every way to read the parts would take years for such a name.
    """
    for end in ("x", "-", "é"):
        groups(f"{f'{part}-' * (250 // (len(part) + 1))}{end}", kind)


run_tails = st.one_of(
    st.integers(10_000_000, 2_000_000_000_000_000_000).map(str),
    st.uuids().map(str),
    st.uuids().map(lambda value: value.hex),
    st.text("0123456789abcdef", min_size=7, max_size=40),
    st.text(ALPHANUMERIC, min_size=8, max_size=8),
    st.tuples(st.integers(1, 9999), *(st.text(JENKINS, min_size=5, max_size=5),) * 2).map(
        lambda parts: "-".join(map(str, parts))
    ),
    st.text(GENERATED, min_size=5, max_size=5),
)
words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
kinds = st.sampled_from(
    ["Job", "Pod", "Workflow", "TaskRun", "PipelineRun", "SparkApplication", "MPIJob", "Trial"]
)


@given(words, run_tails, st.sampled_from([*sorted(NAMED_KINDS), "RayCluster", "Node", "Kafka", "Service"]))
def test_kinds_that_run_all_the_time_are_never_grouped(base: str, tail: str, kind: str) -> None:
    """Also not a CronJob, which is its own group, with any name."""
    assert run_groups(Workload("ci", f"{base}-{tail}", kind)) == ()


@given(words, st.lists(run_tails, min_size=1, max_size=2, unique=True), kinds)
def test_two_runs_are_not_grouped(base: str, tails: list[str], kind: str) -> None:
    """Names of fewer than three workloads prove nothing."""
    assert new_groups([Workload("ci", f"{base}-{tail}", kind) for tail in tails], frozenset()) == {}


@given(words, st.lists(st.uuids(), min_size=3, max_size=9, unique=True), kinds, st.randoms())
def test_groups_are_stable_as_runs_come_and_go(
    base: str, tails: list[UUID], kind: str, random: object
) -> None:
    """The order of the runs does not matter, and a known group keeps its members when only one is left.

    Runs of another namespace, kind or word are no members.
    """
    runs = [Workload("ci", f"{base}-{tail}", kind) for tail in tails]
    others = [Workload("cd", runs[0].name, kind), Workload("ci", f"{base}x-{tails[0]}", kind)]
    group = Workload("ci", f"{base}-{{uuid}}", kind)
    shuffled = [*runs, *others]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert new_groups(shuffled, frozenset()) == dict.fromkeys(runs, group)
    assert new_groups([runs[-1], *others], frozenset({group})) == {runs[-1]: group}


@given(words, run_tails, kinds)
def test_a_group_is_no_run_of_another_group(base: str, tail: str, kind: str) -> None:
    """The names of groups are stable: grouping once more changes nothing."""
    for group in run_groups(run_group(Workload("ci", f"{base}-{tail}", kind))):
        assert run_groups(group) == ()

"""Attribution of terminated Pods by their names."""

import pytest

from app.domain.pod_names import PodNames, may_generate
from app.domain.workloads import Workload


@pytest.mark.parametrize(
    ("pod", "deployment"),
    [
        pytest.param("web-6b6f9d7d5c-2x8qz", "web", id="plain"),
        pytest.param("web-api-5f5b555dff-fcg7c", "web-api", id="never-by-prefix"),
        pytest.param("web-7d4b9c6f8-6b6f9d7d5c-2x8qz", "web-7d4b9c6f8", id="deployment-like-a-replicaset"),
        pytest.param("a-b-c-9d8b7c65f-xvbnm", "a-b-c", id="dashes"),
        pytest.param("web-0", None, id="statefulset"),
        pytest.param("fluent-container-x7k2p", None, id="daemonset-with-a-word-like-a-hash"),
        pytest.param("report-28394810-x7k2p", None, id="run-of-a-cronjob"),
        pytest.param("web", None, id="bare"),
        pytest.param("-6b6f9d7d5c-2x8qz", None, id="no-name"),
        pytest.param("x" * 47 + "-6b6f9d7d5c-2x8qz", None, id="name-that-may-have-lost-its-hash"),
    ],
)
def test_a_past_pod_is_attributed_by_the_exact_pattern_of_its_name(pod: str, deployment: str | None) -> None:
    """The name is `<deployment>-<hash of 456789bcdf>-<5 characters>`; a common prefix is not enough."""
    expected = Workload("shop", deployment) if deployment else None

    assert PodNames().workload("shop", pod) == expected


def test_a_hash_in_another_spelling_counts_only_before_a_known_deployment() -> None:
    """`web-a1e0a1e0a-abcde` is a Pod of `web` only if a Deployment `web` exists in its namespace."""
    names = PodNames([Workload("shop", "web"), Workload("shop", "api", "StatefulSet")])

    assert names.workload("shop", "web-a1e0a1e0a-abcde") == Workload("shop", "web")
    assert names.workload("other", "web-a1e0a1e0a-abcde") is None
    assert names.workload("shop", "api-a1e0a1e0a-abcde") is None


def test_pods_of_other_kinds_are_attributed_by_their_patterns() -> None:
    """`db-0` belongs to StatefulSet `db`, `agent-x7k2p` to DaemonSet `agent`, if these workloads exist.

    A StatefulSet `web` beside a Deployment `web` keeps its own Pods.
    """
    workloads = [
        Workload("shop", "db", "StatefulSet"),
        Workload("shop", "web", "StatefulSet"),
        Workload("shop", "web"),
        Workload("shop", "agent", "DaemonSet"),
    ]
    names = PodNames(workloads)

    assert names.workload("shop", "db-0") == workloads[0]
    assert names.workload("shop", "web-12") == workloads[1]
    assert names.workload("shop", "web-6b6f9d7d5c-2x8qz") == workloads[2]
    assert names.workload("shop", "agent-x7k2p") == workloads[3]
    assert PodNames().workload("shop", "db-0") is None
    assert PodNames().workload("shop", "agent-x7k2p") is None


@pytest.mark.parametrize(
    ("pod", "name", "kind"),
    [
        pytest.param("web-7d4b9c6f8-x7k2p", "web", "Deployment", id="deployment"),
        pytest.param("web-agent-x7k2p", "web-agent", "DaemonSet", id="daemonset-whose-name-ends-like-a-hash"),
        pytest.param("web-1", "web", "StatefulSet", id="statefulset-beside-a-deployment-of-its-name"),
        pytest.param("report-28394810-x7k2p", "report", "CronJob", id="cronjob-beside-a-deployment"),
        pytest.param("canary-7d4b9c6f8-x7k2p", "canary", "Rollout", id="rollout"),
        pytest.param("old-x7k2p", "old", "ReplicationController", id="replicationcontroller"),
        pytest.param("web-a1e0a1e0a-x7k2p", "web", "Deployment", id="hash-in-another-spelling"),
    ],
)
def test_of_similar_names_the_pattern_of_the_controller_decides(pod: str, name: str, kind: str) -> None:
    """All of these workloads exist: a hash has only ten different characters, a schedule is a number."""
    workloads = [
        Workload("shop", "web"),
        Workload("shop", "web", "StatefulSet"),
        Workload("shop", "web-agent", "DaemonSet"),
        Workload("shop", "report"),
        Workload("shop", "report", "CronJob"),
        Workload("shop", "canary", "Rollout"),
        Workload("shop", "old", "ReplicationController"),
    ]

    assert PodNames(workloads).workload("shop", pod) == Workload("shop", name, kind)


@pytest.mark.parametrize(
    ("kind", "name", "pod", "may"),
    [
        ("Deployment", "web", "web-6b6f9d7d5c-2x8qz", True),
        ("Deployment", "web", "web-bcdfbcdfb-2x8qz", True),
        ("Deployment", "web", "web-447788559-2x8qz", True),
        ("Deployment", "web", "web-admin-2x8qz", False),
        ("Deployment", "web", "web-admin-6b6f9d7d5c-2x8qz", False),
        ("Deployment", "web", "webs-6b6f9d7d5c-2x8qz", False),
        ("Deployment", "web", "web-2x8qz", False),
        ("StatefulSet", "db", "db-12", True),
        ("StatefulSet", "db", "db-1-2", False),
        ("DaemonSet", "agent", "agent-x7k2p", True),
        ("DaemonSet", "agent", "agent-x-x7k2p", False),
        ("ReplicaSet", "old", "old-x7k2p", True),
        ("ReplicationController", "old", "old-x7k2p", True),
        ("Job", "once", "once-x7k2p", True),
        ("Job", "once", "once-3-x7k2p", False),
        ("Deployment", "web", "web-v2-x7k2p", False),
        ("CronJob", "report", "report-28394810-x7k2p", True),
        ("CronJob", "report", "report-28394810-0-x7k2p", True),
        ("CronJob", "report", "report-x7k2p", False),
        ("Rollout", "web", "web-6b6f9d7d5c-2x8qz", False),
    ],
)
def test_which_names_a_controller_generates(kind: str, name: str, pod: str, *, may: bool) -> None:
    """A hash is hexadecimal or contains a digit; a word means a Pod of another workload."""
    assert may_generate(Workload("shop", name, kind), pod) is may


def test_a_truncated_name_is_attributed_to_the_workload() -> None:
    """Of a name of 60 characters the first 58 remain before the five generated ones."""
    workload = Workload("shop", "x" * 60, "DaemonSet")

    assert may_generate(workload, "x" * 58 + "x7k2p")
    assert not may_generate(workload, "y" * 58 + "x7k2p")


@pytest.mark.parametrize(
    ("kind", "base", "may"),
    [
        ("Deployment", "x" * 50 + "-6b6f9d7", True),
        ("Deployment", "x" * 50 + "-of-more", False),
        ("CronJob", "x" * 50 + "-2839481", True),
        ("CronJob", "x" * 50 + "-nightly", False),
        ("ReplicaSet", "x" * 50 + "-6b6f9d7", False),
        ("StatefulSet", "x" * 50 + "-0000000", False),
        ("Rollout", "x" * 50 + "-6b6f9d7", False),
    ],
)
def test_the_rest_of_a_truncated_name_must_match(kind: str, base: str, *, may: bool) -> None:
    """A name of 50 characters leaves 8 for what follows it, such as the start of a hash."""
    assert may_generate(Workload("shop", "x" * 50, kind), f"{base}x7k2p") is may
    assert len(base) == 58

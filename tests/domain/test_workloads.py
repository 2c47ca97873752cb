"""Which workload a Pod belongs to: by owner, and by name for Pods of the past."""

import pytest

from app.domain.workloads import Owner, PodNames, Workload, owner_workload


def test_a_replicaset_with_the_pods_hash_belongs_to_its_deployment() -> None:
    """ReplicaSet `web-87cf995f7` and label `pod-template-hash: 87cf995f7` tell Deployment `web`."""
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


def test_a_pod_without_a_controller_has_no_workload() -> None:
    """Nobody controls a bare Pod."""
    assert owner_workload("shop", None, {"pod-template-hash": "x"}) is None


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
    """`<deployment>-<hash of 456789bcdf>-<5 characters>`, and nothing that merely begins alike."""
    expected = Workload("shop", deployment) if deployment else None

    assert PodNames().workload("shop", pod) == expected


def test_a_hash_in_another_spelling_counts_only_before_a_known_deployment() -> None:
    """`web-a1e0a1e0a-abcde` is a Pod of `web` where a Deployment `web` exists, and of nobody elsewhere."""
    names = PodNames([Workload("shop", "web"), Workload("shop", "api", "StatefulSet")])

    assert names.workload("shop", "web-a1e0a1e0a-abcde") == Workload("shop", "web")
    assert names.workload("other", "web-a1e0a1e0a-abcde") is None
    assert names.workload("shop", "api-a1e0a1e0a-abcde") is None

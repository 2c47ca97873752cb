"""The status that the stand-in kubelet writes for a given Pod, without a cluster."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.pod_status import (
    JOB_SECONDS,
    RUN_SECONDS,
    Node,
    Run,
    run_without_processes,
    status_patch,
)

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
AT_NOW = "2026-11-30T12:00:00Z"
OLD, NEW = Node("node-1", "127.0.0.1", 20), Node("node-1", "127.0.0.1", 36)
REQUESTS = {"requests": {"cpu": "250m"}, "limits": {"memory": "256Mi"}}


def a_pod(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A Pod of one container, as the API server stores it after the binding."""
    return {
        "metadata": {"name": "web", "uid": "u-1", **metadata},
        "spec": {
            "nodeName": "node-1",
            "restartPolicy": "Always",
            "containers": [{"name": "main", "image": "main:1", "resources": REQUESTS}],
            **(spec or {}),
        },
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    }


def written(pod: dict[str, Any], run: Run, node: Node = NEW, now: datetime = NOW) -> dict[str, Any]:
    """The patched status; a merge by condition type stands in for the API server."""
    patch = status_patch(pod, run, node, "10.244.0.2", now)
    assert patch
    status: dict[str, Any] = patch["status"]
    kinds = {condition["type"] for condition in status["conditions"]}
    others = [item for item in pod["status"]["conditions"] if item["type"] not in kinds]
    return {**pod["status"], **status, "conditions": [*others, *status["conditions"]]}


def condition(status: dict[str, Any], kind: str) -> tuple[str, str | None, str]:
    """Status, reason and time of a condition."""
    [found] = [item for item in status["conditions"] if item["type"] == kind]
    return found["status"], found["reason"], found["lastTransitionTime"]


def test_a_bound_pod_runs_and_is_ready() -> None:
    """Running, Ready, addresses, startTime and a running container, with its uid as precondition."""
    pod = a_pod()

    patch = status_patch(pod, run_without_processes(pod, NOW), OLD, "10.244.0.2", NOW)

    assert patch
    assert patch["metadata"] == {"uid": "u-1"}
    status = patch["status"]
    assert condition(status, "Ready") == ("True", None, AT_NOW)
    assert condition(status, "ContainersReady") == ("True", None, AT_NOW)
    del status["conditions"]
    assert status == {
        "phase": "Running",
        "hostIP": "127.0.0.1",
        "podIP": "10.244.0.2",
        "podIPs": [{"ip": "10.244.0.2"}],
        "startTime": AT_NOW,
        "containerStatuses": [
            {
                "name": "main",
                "image": "main:1",
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": AT_NOW}},
            }
        ],
    }


def test_nothing_is_written_twice() -> None:
    """A status that the API server has is not written again, an hour later either."""
    pod = a_pod()
    pod["status"] = written(pod, run_without_processes(pod, NOW))
    later = NOW + timedelta(hours=1)

    assert status_patch(pod, run_without_processes(pod, later), NEW, "10.244.0.9", later) is None


def test_a_pod_on_the_hosts_network_has_the_nodes_address() -> None:
    """The podIP is the hostIP."""
    pod = a_pod({"hostNetwork": True})

    assert written(pod, run_without_processes(pod, NOW))["podIP"] == "127.0.0.1"


def test_resources_are_mirrored_after_a_resize() -> None:
    """Raised requests and a removed limit appear in the status; the Pod's start does not change."""
    pod = a_pod(generation=1)
    pod["status"] = first = written(pod, run_without_processes(pod, NOW))
    assert first["containerStatuses"][0]["resources"] == REQUESTS
    later = NOW + timedelta(minutes=5)
    for resources in ({"requests": {"cpu": "500m"}, "limits": {"memory": "256Mi"}}, {}):
        pod["metadata"]["generation"] += 1
        pod["spec"]["containers"][0]["resources"] = resources

        pod["status"] = second = written(pod, run_without_processes(pod, later), now=later)

        [container] = second["containerStatuses"]
        assert container["resources"] == resources
        assert container.get("allocatedResources") == resources.get("requests")
        assert second["observedGeneration"] == pod["metadata"]["generation"]
        assert container["state"] == {"running": {"startedAt": AT_NOW}}
        assert condition(second, "Ready")[2] == AT_NOW


def test_init_containers_have_run_and_sidecars_run() -> None:
    """An init container has exited with 0 and counts as ready; one that is restarted always is a sidecar."""
    init = {"name": "init", "image": "i:1"}
    sidecar = {"name": "proxy", "image": "p:1", "restartPolicy": "Always"}
    pod = a_pod({"initContainers": [init, sidecar]})

    first, second = written(pod, run_without_processes(pod, NOW))["initContainerStatuses"]

    assert first["state"]["terminated"]["reason"] == "Completed"
    assert (first["ready"], first["started"]) == (True, False)
    assert "running" in second["state"]
    assert (second["ready"], second["started"]) == (True, True)


def test_a_closed_readiness_gate_keeps_a_pod_unready() -> None:
    """The containers are ready; the Pod is, once the gate's condition is True."""
    pod = a_pod({"readinessGates": [{"conditionType": "example.org/open"}]})

    pod["status"] = closed = written(pod, run_without_processes(pod, NOW))
    assert condition(closed, "ContainersReady")[0] == "True"
    assert condition(closed, "Ready")[:2] == ("False", "ReadinessGatesNotReady")

    pod["status"]["conditions"].append({"type": "example.org/open", "status": "True"})
    assert condition(written(pod, run_without_processes(pod, NOW)), "Ready")[0] == "True"


@pytest.mark.parametrize(
    ("spec", "metadata", "seconds"),
    [
        pytest.param({"restartPolicy": "Never"}, {"annotations": {RUN_SECONDS: "3"}}, 3, id="annotation"),
        pytest.param(
            {"restartPolicy": "OnFailure"}, {"ownerReferences": [{"kind": "Job"}]}, JOB_SECONDS, id="Job"
        ),
        pytest.param(
            {"restartPolicy": "Never"},
            {"ownerReferences": [{"kind": "Job"}], "annotations": {RUN_SECONDS: "60"}},
            60,
            id="Job with annotation",
        ),
    ],
)
def test_a_pod_succeeds_after_its_time(
    spec: dict[str, Any], metadata: dict[str, Any], seconds: float
) -> None:
    """It runs until then; afterwards its phase is Succeeded and its container has exited with 0."""
    pod = a_pod(spec, **metadata)
    pod["status"] = written(pod, run_without_processes(pod, NOW))
    before, after = (NOW + timedelta(seconds=seconds + more) for more in (-1, 0))

    assert status_patch(pod, run_without_processes(pod, before), NEW, "", before) is None
    status = written(pod, run_without_processes(pod, after), now=after)

    assert status["phase"] == "Succeeded"
    assert condition(status, "Ready")[:2] == ("False", "PodCompleted")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


@pytest.mark.parametrize(
    ("spec", "metadata"),
    [
        pytest.param({}, {"annotations": {RUN_SECONDS: "3"}}, id="restarted always"),
        pytest.param({"restartPolicy": "Never"}, {}, id="by hand"),
    ],
)
def test_other_pods_run_until_they_are_deleted(spec: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Neither a Pod that is always restarted nor one without a Job ends by itself."""
    pod = a_pod(spec, **metadata)
    pod["status"] = written(pod, run_without_processes(pod, NOW))
    next_year = NOW + timedelta(days=365)

    assert status_patch(pod, run_without_processes(pod, next_year), NEW, "", next_year) is None


def test_a_deletion_ends_the_containers() -> None:
    """SIGTERM, 15, is exit code 128 + 15 = 143: a Job's Pod that is deleted has not succeeded."""
    pod = a_pod({"restartPolicy": "Never"}, ownerReferences=[{"kind": "Job"}])
    pod["status"] = written(pod, run_without_processes(pod, NOW))
    pod["metadata"]["deletionTimestamp"] = "2026-11-30T12:00:31Z"

    status = written(pod, run_without_processes(pod, NOW))

    assert status["phase"] == "Failed"
    assert condition(status, "Ready")[:2] == ("False", "PodFailed")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143


def test_the_state_of_a_process_is_shown() -> None:
    """A process that is not ready yet, and was restarted twice, is a Pod that is not ready."""
    pod = a_pod()

    status = written(pod, Run(NOW, is_ready=False, restarts=2))

    assert status["phase"] == "Running"
    assert condition(status, "Ready")[:2] == ("False", "ContainersNotReady")
    [container] = status["containerStatuses"]
    assert (container["ready"], container["restartCount"]) == (False, 2)

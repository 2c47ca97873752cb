"""VerticalPodAutoscalers served and kept by the whole product: rights of the chart, leader, webhook.

The emojivoto history is constant and covers three whole days (see `test_scheduling`): the container `web-api`
needs 404m and 330Mi at normal risk. The object is created after the product runs, and so is its CRD. Tests
run in this order, and each goes on where the one before ended.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.vpa_crd import ensure_vpa_crd, remove_vpa_crd
from tests.cluster.waiting import wait_until
from tests.command_line.process import job_profiler as administrator
from tests.e2e.conftest import running
from tests.e2e.release import Release, job_profiler
from tests.e2e.workloads import deployment

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE, NAME, PREFIX = "profiling-vpa", "web-api", "job-profiler.liqo.io"
LABEL, OWN = "job-profiler.liqo.io/vpa", f"job-profiler-deployment-{NAME}"


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with rights in emojivoto only, and the recommender."""
    remove_vpa_crd(kubectl)
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    vpa = {"recommender": {"enabled": True}, "objects": {"enabled": True}}
    extra = {"vpa": vpa, "scheduling": {"enabled": True}, "profiling": {"namespaces": [emojivoto]}}
    manifest = deployment(NAME, emojivoto, 0)
    manifest["spec"]["template"]["spec"]["containers"][0]["name"] = NAME
    kubectl.apply(manifest)
    try:
        with running(installed, installed.values(emojivoto_prometheus.url, extra)):
            yield installed
    finally:
        kubectl.run("label", "namespace", emojivoto, f"{LABEL}-")
        remove_vpa_crd(kubectl)


def vpa(namespace: str, name: str, *recommenders: str) -> dict[str, Any]:
    """An object for the Deployment."""
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "recommenders": [{"name": one} for one in recommenders],
        },
    }


def target_in(release: Release, namespace: str, name: str) -> dict[str, str]:
    """The target of the container in an object, once it is there."""

    def recommended() -> dict[str, dict[str, str]]:
        found = objects_in(release, namespace).get(name, {}).get("status", {})
        items = found.get("recommendation", {}).get("containerRecommendations", [])
        return {item["containerName"]: item["target"] for item in items}

    return wait_until(recommended, 60, "a recommendation")[NAME]


def objects_in(release: Release, namespace: str) -> dict[str, dict[str, Any]]:
    """The objects of a namespace by name."""
    listed = release.kubectl.json("get", "vpa", f"--namespace={namespace}")["items"]
    return {one["metadata"]["name"]: one for one in listed}


def warnings_on(release: Release, namespace: str, reason: str) -> list[tuple[str, str]]:
    """The object and the message of each of our Warnings for a reason."""
    return [
        (event["involvedObject"]["name"], event["message"])
        for event in release.kubectl.api.list("events", namespace)
        if (event["type"], event["reason"]) == ("Warning", reason)
    ]


def test_the_leader_writes_the_status(release: Release, emojivoto: str) -> None:
    """Target and conditions are there soon after the object; `status` names one with two recommenders."""
    ensure_vpa_crd(release.kubectl)
    release.kubectl.apply(
        vpa(emojivoto, "served", "job-profiler"), vpa(emojivoto, "disputed", "job-profiler", "other")
    )

    assert target_in(release, emojivoto, "served") == {"cpu": "404m", "memory": "330Mi"}
    wait_until(
        lambda: "VerticalPodAutoscaler emojivoto/disputed" in job_profiler(release, "status").stdout,
        60,
        "the fault in the status",
    )
    assert "status" not in release.kubectl.json("get", "vpa", "disputed", f"--namespace={emojivoto}")


def test_a_label_is_enough(release: Release, emojivoto: str) -> None:
    """Beside a user's object there is none; without it the workload has one of ours, with a recommendation.

    It is owned by the Deployment, whose template's label wins over the namespace's.
    """
    release.kubectl.run("label", "namespace", emojivoto, f"{LABEL}=Recreate")
    time.sleep(10)  # two periods of the keeper
    assert set(objects_in(release, emojivoto)) == {"served", "disputed"}

    release.kubectl.run("delete", "vpa", "--all", f"--namespace={emojivoto}")
    assert target_in(release, emojivoto, OWN) == {"cpu": "404m", "memory": "330Mi"}
    [(name, found)] = objects_in(release, emojivoto).items()
    uid = release.kubectl.json("get", "deployment", NAME, f"--namespace={emojivoto}")["metadata"]["uid"]
    assert name == OWN
    assert [owner["uid"] for owner in found["metadata"]["ownerReferences"]] == [uid]
    assert found["spec"]["updatePolicy"] == {"updateMode": "Recreate"}
    patch_template(release, emojivoto, {"metadata": {"labels": {LABEL: "Initial"}}})
    wait_until(
        lambda: objects_in(release, emojivoto)[OWN]["spec"]["updatePolicy"] == {"updateMode": "Initial"},
        30,
        "the template's mode",
    )


def test_a_limit_below_the_need_is_named(
    release: Release, emojivoto: str, control_plane: ControlPlane
) -> None:
    """A Warning on the Deployment, and a sentence of `plan`: RequestsOnly leaves the limit of 256Mi."""
    limited = {"name": NAME, "resources": {"limits": {"memory": "256Mi"}}}
    patch_template(release, emojivoto, {"spec": {"containers": [limited]}})
    sentence = (
        f"VerticalPodAutoscaler {OWN}: {NAME} needs 330Mi memory and has a limit of 256Mi, which RequestsOnly"
        " leaves: raise the limit in the Pod template"
    )

    wait_until(lambda: warnings_on(release, emojivoto, "LimitBelowNeed"), 60, "the Warning")
    planned = administrator("plan", "-n", emojivoto, "--kubeconfig", control_plane.kubeconfig)

    assert warnings_on(release, emojivoto, "LimitBelowNeed") == [(NAME, sentence)]
    assert f"{emojivoto}/{NAME}: {sentence}." in " ".join(planned.stdout.split())
    wait_until(lambda: target_in(release, emojivoto, OWN)["memory"] == "256Mi", 30, "the target at the limit")


def test_exported_objects_are_valid(release: Release, emojivoto: str, control_plane: ControlPlane) -> None:
    """The API server takes them; they have other names than those that the profiler keeps."""
    exported = administrator("export", "vpa", "-n", emojivoto, "--kubeconfig", control_plane.kubeconfig)

    applied = release.kubectl.run("apply", "--dry-run=server", "--filename=-", input=exported.stdout)
    assert f"verticalpodautoscaler.autoscaling.k8s.io/deployment-{NAME} created" in applied


def test_wrong_labels_are_named_and_change_nothing(release: Release, emojivoto: str) -> None:
    """A Warning on the Deployment and a line of `status`; the mode stays as it is."""
    patch_template(release, emojivoto, {"metadata": {"labels": {LABEL: "auto"}}})
    fault = f"{LABEL} of the Pod template is 'auto': use Off, Initial, InPlaceOrRecreate or Recreate"

    wait_until(lambda: warnings_on(release, emojivoto, "InvalidVpaLabel"), 30, "the Warning")
    wait_until(
        lambda: fault in " ".join(job_profiler(release, "status").stdout.split()),
        60,
        "the fault in the status",
    )

    [(name, message)] = warnings_on(release, emojivoto, "InvalidVpaLabel")
    assert (name, message.endswith(fault)) == (NAME, True)
    assert objects_in(release, emojivoto)[OWN]["spec"]["updatePolicy"] == {"updateMode": "Initial"}


def test_the_object_goes_with_the_labels(release: Release, emojivoto: str) -> None:
    """Ours is deleted, and a user's for another target stays."""
    theirs = vpa(emojivoto, "theirs", "job-profiler")
    theirs["spec"]["targetRef"]["name"] = "other"
    release.kubectl.apply(theirs)
    patch_template(release, emojivoto, {"metadata": {"labels": {LABEL: None}}})
    release.kubectl.run("label", "namespace", emojivoto, f"{LABEL}-")

    wait_until(lambda: set(objects_in(release, emojivoto)) == {"theirs"}, 30, "our object to go")


def test_the_webhook_leaves_to_it_what_it_sets(release: Release, emojivoto: str) -> None:
    """With a recommendation of an object, a new Pod stays as given, and says why.

    Off, it sets nothing, and neither does one whose CRD is gone: the webhook sets requests as always, without
    a restart.
    """

    def summary() -> str:
        pod = release.kubectl.json(
            "create", "--dry-run=server", "--filename=-", input=json.dumps(pod_of(NAME, emojivoto))
        )
        text: str = pod["metadata"]["annotations"].get(f"{PREFIX}/requests", "")
        return text

    def until(text: str) -> None:
        wait_until(lambda: text in summary(), 90, f"a Pod with {text}")

    ensure_vpa_crd(release.kubectl)
    release.kubectl.apply(vpa(emojivoto, "served", "job-profiler"))
    sized, left = "cpu request none → 404m", f"{NAME}: unchanged (a VerticalPodAutoscaler sets it)"
    until(left)
    for mode, text in (("Off", sized), ("Initial", left)):
        patch = json.dumps({"spec": {"updatePolicy": {"updateMode": mode}}})
        release.kubectl.run(
            *("patch", "vpa", "served", f"--namespace={emojivoto}", "--type=merge", f"--patch={patch}")
        )
        until(text)
    remove_vpa_crd(release.kubectl)
    until(sized)


def patch_template(release: Release, namespace: str, template: dict[str, Any]) -> None:
    """Merges into the Pod template of the Deployment."""
    patch = json.dumps({"spec": {"template": template}})
    flags = ("--type=strategic", f"--patch={patch}", f"--namespace={namespace}")
    release.kubectl.run("patch", "deployment", NAME, *flags)


def pod_of(name: str, namespace: str) -> dict[str, Any]:
    """A Pod of the Deployment that asks for requests."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{name}-6b6f9d7d5c",
        "uid": "b7c1e9f0-0000-4000-8000-000000000000",
        "controller": True,
    }
    metadata = {
        "name": f"{name}-6b6f9d7d5c-x7k2p",
        "namespace": namespace,
        "labels": {"pod-template-hash": "6b6f9d7d5c", f"{PREFIX}/scheduling": "true"},
        "ownerReferences": [owner],
    }
    spec = {"containers": [{"name": name, "image": "registry.example/x:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

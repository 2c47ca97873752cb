"""Annotations on a namespace, a workload and a Pod template, up to the requests of the next Pod.

The emojivoto history is constant and covers three whole days (see `test_scheduling`): the container `web-api`
needs 404m, at any risk, and 330Mi at normal risk, since its memory is steady: e^.14 times 300 MB. The Pod
template of the Deployment has it without the proxy that is injected. Tests run in this order, and each goes
on where the one before ended.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.command_line.process import job_profiler as administrator
from tests.e2e.conftest import NAMESPACE as EMOJIVOTO
from tests.e2e.conftest import running
from tests.e2e.release import Release, job_profiler
from tests.e2e.workloads import deployment, needs_profiles, our_annotations

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

NAMESPACE, PREFIX = "profiling-policies", "job-profiler.liqo.io"
NAME = "web-api"
LABEL, NOTE = f"{PREFIX}/scheduling", f"{PREFIX}/requests"
CPU, MEMORY = needs_profiles("Deployment", EMOJIVOTO, NAME).values()
REQUESTS = {"cpu": "404m", "memory": "330Mi"}
NEEDS = {CPU: "0.404", MEMORY: "345082176"}  # of the container


@pytest.fixture(scope="module")
def values(release: Release) -> dict[str, str]:
    """The values of both profiles at the beginning: of the container and of its proxy."""
    profiles = release.profiles()
    assert {name: need_of(profiles[name]) for name in NEEDS} == NEEDS
    return {name: value_of(profiles[name]) for name in NEEDS}


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    work_directory: Path,
) -> Iterator[Release]:
    """The product with rights in emojivoto only, whose namespace asks for requests, and the Deployment."""
    installed = Release(helm4, control_plane, kubectl, NAMESPACE, work_directory)
    extra = {"scheduling": {"enabled": True}, "profiling": {"namespaces": [emojivoto]}}
    manifest = deployment(NAME, emojivoto, 0)
    manifest["spec"]["template"]["spec"]["containers"][0]["name"] = NAME
    kubectl.apply(manifest)
    kubectl.run("label", "namespace", emojivoto, "--overwrite", f"{LABEL}=true")
    try:
        with running(installed, installed.values(emojivoto_prometheus.url, extra)):
            wait_until(lambda: requests_of(dry_run(installed)) == REQUESTS, 60, "requests from the profiles")
            yield installed
    finally:
        for key in ("risk", "max-memory", "maxmemory"):
            kubectl.run("annotate", "namespace", emojivoto, f"{PREFIX}/{key}-")
        kubectl.run("label", "namespace", emojivoto, f"{LABEL}-")


def annotate(release: Release, *objects: str, **values: str | None) -> None:
    """Sets annotations, or removes them; an underscore in a key stands for a dash."""
    words = [
        f"{PREFIX}/{key.replace('_', '-')}" + ("-" if value is None else f"={value}")
        for key, value in values.items()
    ]
    release.kubectl.run("annotate", "--overwrite", *objects, f"--namespace={EMOJIVOTO}", *words)


def annotate_template(release: Release, **values: str | None) -> None:
    """The same for the Pod template of the Deployment."""
    annotations = {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in values.items()}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    flags = ("--type=merge", f"--patch={json.dumps(patch)}", f"--namespace={EMOJIVOTO}")
    release.kubectl.run("patch", "deployment", NAME, *flags)


def dry_run(release: Release) -> dict[str, Any]:
    """The Pod that the API server would create for the Deployment."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{NAME}-6b6f9d7d5c",
        "uid": "b7c1e9f0-0000-4000-8000-000000000000",
        "controller": True,
    }
    metadata = {
        "name": f"{NAME}-6b6f9d7d5c-x7k2p",
        "namespace": EMOJIVOTO,
        "labels": {"pod-template-hash": "6b6f9d7d5c"},
        "ownerReferences": [owner],
    }
    spec = {"containers": [{"name": NAME, "image": "registry.example/x:1"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    created: dict[str, Any] = release.kubectl.json(
        "create", "--dry-run=server", "--filename=-", input=json.dumps(pod)
    )
    return created


def requests_of(pod: dict[str, Any]) -> dict[str, str]:
    """The requests of its container."""
    requests: dict[str, str] = pod["spec"]["containers"][0]["resources"].get("requests", {})
    return requests


def until_requests(release: Release, requests: dict[str, str]) -> dict[str, Any]:
    """The next Pod, once it has these requests."""

    def sized() -> dict[str, Any] | None:
        pod = dry_run(release)
        return pod if requests_of(pod) == requests else None

    pod = wait_until(sized, 30, f"requests {requests}")
    assert pod
    return pod


def policy_of(release: Release, name: str) -> list[tuple[str, str, str]]:
    """The policy in the status of a profile."""
    rules = release.profiles()[name]["status"].get("policy", [])
    return [(rule["annotation"], rule["value"], rule["source"]) for rule in rules]


def value_of(profile: dict[str, Any]) -> str:
    """The value of a CPU or memory profile."""
    (need,) = profile["spec"].values()
    value: str = need["value"]
    return value


def need_of(profile: dict[str, Any], level: str = "") -> str:
    """The need of the container in a profile, or its need at a risk level."""
    [container] = [one for one in profile["status"]["containers"] if one["name"] == NAME]
    need: str = container["values"][level] if level else container["value"]
    return need


def warnings_on(release: Release, kind: str, name: str) -> list[str]:
    """The messages of our Warnings on an object."""
    listed = release.kubectl.api.list(
        "events", EMOJIVOTO, fields=f"involvedObject.kind={kind},involvedObject.name={name}"
    )
    return [
        event["message"]
        for event in listed
        if event["type"] == "Warning" and event["reason"] == "InvalidPolicy"
    ]


def test_a_namespaces_risk_is_that_of_its_workloads(release: Release, values: dict[str, str]) -> None:
    """At high risk memory falls at once to the need that its profile stated for it; CPU is the same at any.

    The history says why.
    """
    at_high = need_of(release.profiles()[MEMORY], "high")
    annotate(release, "namespace", EMOJIVOTO, risk="high")

    wait_until(
        lambda: all(release.profiles()[name]["status"]["risk"]["level"] == "high" for name in NEEDS),
        30,
        "profiles at high risk",
    )
    after = release.profiles()
    assert int(at_high) < int(NEEDS[MEMORY])
    assert (need_of(after[CPU]), need_of(after[MEMORY])) == (NEEDS[CPU], at_high)
    assert value_of(after[CPU]) == values[CPU]
    assert after[MEMORY]["status"]["history"][0]["reason"] == "RiskChanged"
    wait_until(lambda: policy_of(release, MEMORY), 30, "the policy in the status")
    assert policy_of(release, CPU) == policy_of(release, MEMORY) == [("risk", "high", "Namespace")]


def test_a_workload_overrides_its_namespace(release: Release, values: dict[str, str]) -> None:
    """The workload's normal risk counts; the value is what it was, which also a rise within the day shows."""
    annotate(release, "deployment", NAME, risk="normal")

    wait_until(lambda: value_of(release.profiles()[MEMORY]) == values[MEMORY], 30, "the value at normal risk")
    wait_until(
        lambda: policy_of(release, MEMORY) == [("risk", "normal", "Workload")], 30, "the workload's risk"
    )


def test_bounds_hold_for_requests_and_not_for_the_need(
    release: Release, control_plane: ControlPlane, values: dict[str, str]
) -> None:
    """The template's maximum of its container, and the workload's minimum, set the requests of the next Pod.

    The namespace's own maximum does not count beside the template's. Profiles keep the need. `plan` says why.
    """
    annotate(release, "namespace", EMOJIVOTO, max_memory="64Mi")
    annotate(release, "deployment", NAME, min_cpu="0.5")
    annotate_template(release, **{f"max_memory.{NAME}": "128Mi"})

    pod = until_requests(release, {"cpu": "500m", "memory": "128Mi"})
    plan = administrator("plan", "-n", EMOJIVOTO, "-o", "json", "--kubeconfig", control_plane.kubeconfig)
    [planned] = [one for one in json.loads(plan.stdout)["workloads"] if one["name"] == NAME]
    (container,) = planned["containers"]

    assert our_annotations(pod)
    profiles = release.profiles()
    assert {name: value_of(profiles[name]) for name in values} == values
    assert container["cpu"]["policy"] == f"at least 500m by min-cpu of Deployment {NAME}"
    assert container["memory"]["policy"] == f"at most 128Mi by max-memory.{NAME} of the Pod template"
    assert planned["policy"] == f"normal risk by risk of Deployment {NAME}"


def test_what_is_off_stays_as_it_is(release: Release) -> None:
    """The Pod keeps its resources, and says why; it still carries the names of its profiles."""
    annotate(release, "deployment", NAME, off="true")

    pod = until_requests(release, {})
    assert pod["metadata"]["annotations"][NOTE] == (
        f"unchanged (turned off by annotation off of Deployment {NAME})"
    )
    assert needs_profiles("Deployment", EMOJIVOTO, NAME).items() <= our_annotations(pod).items()


def test_wrong_annotations_are_named(release: Release) -> None:
    """Each object gets one Warning, and `status` names them; what is right beside them holds on."""
    annotate(release, "deployment", NAME, max_cpu="plenty", off="true")
    annotate(release, "namespace", EMOJIVOTO, maxmemory="1Gi")
    text = f"annotations {PREFIX}/… without effect: "
    of_workload = "max-cpu of the workload is 'plenty': use a quantity such as 250m"
    of_namespace = "maxmemory of the namespace is not known: did you mean max-memory?"

    wait_until(lambda: warnings_on(release, "Deployment", NAME), 30, "a Warning on the Deployment")
    wait_until(lambda: warnings_on(release, "Namespace", EMOJIVOTO), 30, "a Warning on the namespace")
    status = job_profiler(release, "status").stdout

    assert f"on {EMOJIVOTO}/{NAME}: {of_workload}" in " ".join(status.split())
    assert f"on namespace {EMOJIVOTO}: {of_namespace}" in " ".join(status.split())
    after_cycles(release, 2)
    assert warnings_on(release, "Deployment", NAME) == [text + of_workload]
    assert warnings_on(release, "Namespace", EMOJIVOTO) == [text + of_namespace]
    assert requests_of(dry_run(release)) == {}


def test_without_annotations_all_is_as_before(release: Release, values: dict[str, str]) -> None:
    """Values, requests and status are those of the beginning, and further cycles write nothing."""
    keys: dict[str, None] = dict.fromkeys(("risk", "min_cpu", "max_cpu", "off"))
    annotate(release, "deployment", NAME, **keys)
    annotate(release, "namespace", EMOJIVOTO, risk=None, max_memory=None, maxmemory=None)
    annotate_template(release, **{f"max_memory.{NAME}": None})

    until_requests(release, REQUESTS)
    wait_until(lambda: not (policy_of(release, CPU) or policy_of(release, MEMORY)), 30, "no policy")
    after_cycles(release, 1)
    before = versions(release)
    after_cycles(release, 2)

    profiles = release.profiles()
    assert {name: value_of(profiles[name]) for name in values} == values
    assert versions(release) == before
    assert "without effect" not in job_profiler(release, "status").stdout


def versions(release: Release) -> dict[str, str]:
    """The resourceVersion of each profile."""
    return {name: profile["metadata"]["resourceVersion"] for name, profile in release.profiles().items()}


def after_cycles(release: Release, count: int) -> None:
    """Waits for *count* more cycles."""

    def cycles() -> int:
        return release.processes["profiler"].log.count("cycle_finished")

    before = cycles()
    wait_until(lambda: cycles() >= before + count, 60, f"{count} cycles")

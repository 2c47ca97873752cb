"""Commands that say what to change, against a real API server: numbers, and the webhook's own decision.

The namespace `decided` has `web` with 3 replicas, which requests 500m and 256Mi and needs 26m and 347Mi, and
`api` with one, which requests 1 core and 4Gi and needs 1.5 cores and 1Gi; `web` sends `api` 60 messages a
minute, and gets 20 of `bot`. The namespace `scaled` has the same `web` with an autoscaler. 25 generated
namespaces have LimitRanges, quotas, autoscalers and 4 workloads each.
"""

import asyncio
import json
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.domain.custom_resources import KINDS, to_manifest, to_status
from app.domain.profile_names import contract_name
from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    ContainerNeed,
    Profile,
    Resource,
    ResourceProfile,
    StepRates,
)
from app.domain.quantities import format_need, parse_quantity
from app.domain.workloads import Connection, Workload
from app.kubernetes.client import open_cluster
from app.kubernetes.profiles import ProfileWriter
from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.kubelet import Kubelet
from tests.cluster.loopback_http import request_json
from tests.cluster.vpa_crd import remove_vpa_crd
from tests.cluster.waiting import wait_until
from tests.command_line.process import job_profiler
from tests.e2e import vertical_autoscalers
from tests.e2e.conftest import running
from tests.e2e.generated_demands import LABEL, DemandedPod, DemandGenerator, DemandingNamespace
from tests.e2e.hungry_workload import Learned, hungry, oom_kill_limits
from tests.e2e.release import Release
from tests.e2e.workloads import deployment, pods_of

pytestmark = [pytest.mark.cluster, pytest.mark.chart]

RELEASE_NAMESPACE, DECIDED, SCALED = "profiling-decisions", "decided", "scaled"
HUNGRY = "hungry"
SEED, COUNT = 20261130, 25
SET_BY_VPA = "a VerticalPodAutoscaler sets it"
NO_PROMETHEUS = "http://127.0.0.1:9"
MIB = 1024**2
NEEDS = {"web": (0.026, 347 * MIB), "api": (1.5, 1024 * MIB)}


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs `job-profiler` as the administrator of the cluster."""

    kubeconfig: Path

    def run(self, *arguments: object, code: int = 0) -> str:
        """The standard output of a command; its table is 80 columns wide."""
        done = job_profiler(*arguments, "--kubeconfig", self.kubeconfig, COLUMNS="80")
        assert done.returncode == code, done.stderr
        return done.stdout

    def json(self, *arguments: object) -> Any:
        """The document that the command prints."""
        return json.loads(self.run(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def namespaces(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[list[DemandingNamespace]]:
    """The generated namespaces with a Deployment for each Pod, some with autoscalers, and `decided`."""
    generated = list(DemandGenerator(SEED).namespaces(COUNT))
    names = [DECIDED, SCALED, HUNGRY, *(namespace.name for namespace in generated)]
    for name in names:
        kubectl.create_namespace(name)
    chance = Random(SEED)
    pods = [pod for namespace in generated for pod in namespace.pods]
    kubectl.apply(
        *(manifest for namespace in generated for manifest in namespace.objects),
        *(_deployment_of(pod) for pod in pods),
        *(_autoscaler(pod, chance) for pod in pods if chance.random() < 0.3),
        _decided("web", 3, {"cpu": "500m", "memory": "256Mi"}),
        _decided("api", 1, {"cpu": "1", "memory": "4Gi"}),
        _decided("web", 3, {"cpu": "500m", "memory": "256Mi"}, SCALED),
        _scaled_on_both("web"),
    )
    vertical_autoscalers.create(kubectl, control_plane.kubeconfig, vertical_autoscalers.generated(pods, SEED))
    wait_until(lambda: _is_enforced(kubectl, generated), 120, "quotas and accounts", every_seconds=1)
    yield generated
    kubectl.delete_namespaces(*names)
    remove_vpa_crd(kubectl)


def _decided(name: str, replicas: int, requests: dict[str, str], namespace: str = DECIDED) -> dict[str, Any]:
    manifest = deployment(name, namespace, replicas)
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": requests}
    return manifest


def _scaled_on_both(name: str) -> dict[str, Any]:
    """An autoscaler at 80 % of CPU and 90 % of memory, and at 200Mi, which no request changes."""
    memory = {"name": "memory", "targetAverageUtilization": 90}
    metrics = [
        {"type": "Resource", "resource": memory},
        {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "200Mi"}},
    ]
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": f"{name}-scaler",
            "namespace": SCALED,
            "annotations": {"autoscaling.alpha.kubernetes.io/metrics": json.dumps(metrics)},
        },
        "spec": {
            "maxReplicas": 6,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "targetCPUUtilizationPercentage": 80,
        },
    }


def _deployment_of(pod: DemandedPod) -> dict[str, Any]:
    """A Deployment without replicas, whose template has the Pod's spec."""
    manifest = deployment(pod.job, pod.namespace, 0)
    manifest["spec"]["template"]["spec"] = pod.manifest["spec"]
    return manifest


def _autoscaler(pod: DemandedPod, chance: Random) -> dict[str, Any]:
    """An autoscaler on CPU, or on memory."""
    spec: dict[str, Any] = {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": pod.job},
    }
    metadata: dict[str, Any] = {"name": pod.job, "namespace": pod.namespace}
    if chance.random() < 0.5:
        spec["targetCPUUtilizationPercentage"] = 80
    else:
        metric = {"type": "Resource", "resource": {"name": "memory", "targetAverageUtilization": 80}}
        metadata["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": json.dumps([metric])}
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": spec,
    }


def _is_enforced(kubectl: Kubectl, generated: list[DemandingNamespace]) -> bool:
    """True once each namespace has its default service account, and each quota its status."""
    names = {namespace.name for namespace in generated}
    quotas = [
        quota for quota in kubectl.api.list("resourcequotas") if quota["metadata"]["namespace"] in names
    ]
    accounts = {account["metadata"]["namespace"] for account in kubectl.api.list("serviceaccounts")}
    return names <= accounts and all(
        quota.get("status", {}).get("hard") == quota["spec"]["hard"] for quota in quotas
    )


@pytest.fixture(scope="module")
def release(
    helm4: Helm,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespaces: list[DemandingNamespace],
    work_directory: Path,
) -> Iterator[Release]:
    """The product with written profiles; requests may be set, and no namespace asks for it yet."""
    installed = Release(helm4, control_plane, kubectl, RELEASE_NAMESPACE, work_directory)
    scheduling = {
        "enabled": True,
        "cpu": {"floor": "15m", "limitRatio": 1.5},
        "memory": {"limitRatio": 1.25},
    }
    values = {"profiling": {"updateSeconds": 600}, "scheduling": scheduling}
    with running(installed, installed.values(NO_PROMETHEUS, values)):
        asyncio.run(_write(control_plane.kubeconfig, list(_profiles(namespaces))))
        yield installed


@pytest.fixture(scope="module")
def commands(release: Release, control_plane: ControlPlane) -> Commands:
    """The commands, once the profiles are written."""
    return Commands(control_plane.kubeconfig)


def _profiles(namespaces: list[DemandingNamespace]) -> Iterator[Profile]:
    for name, needs in NEEDS.items():
        for resource, need in zip(Resource, needs, strict=True):
            yield _need(Workload(DECIDED, name), resource, {"main": need})
    for resource, need in zip(Resource, NEEDS["web"], strict=True):
        yield _need(Workload(SCALED, "web"), resource, {"main": need})
    for pod in (pod for namespace in namespaces for pod in namespace.pods):
        for resource in Resource:
            yield _need(Workload(pod.namespace, pod.job), resource, pod.needs[resource])
    web, api, bot = (Workload(DECIDED, name) for name in ("web", "api", "bot"))
    yield _edge(web, api, "60.00", StepRates("90.00", "120.00"), ("5120", "900"))
    yield _edge(bot, web, "20.00", None, (None, None))


def _basis() -> Basis:
    now = datetime.now(UTC)
    return Basis(now, now, samples=2016, coverage=1, confidence=0.9)


def _need(workload: Workload, resource: Resource, needs: dict[str, float]) -> ResourceProfile:
    containers = tuple(ContainerNeed(name, format_need(resource, need), 12) for name, need in needs.items())
    value = format_need(resource, sum(needs.values()))
    return ResourceProfile(workload, resource, value, _basis(), containers=containers)


def _edge(
    source: Workload,
    destination: Workload,
    messages: str,
    steps: StepRates | None,
    sizes: tuple[str | None, str | None],
) -> ConnectionProfile:
    half = f"{float(messages) / 2:.2f}"
    return ConnectionProfile(
        Connection(source, destination),
        messages,
        half,
        half,
        _basis(),
        request_bytes_per_second=sizes[0],
        response_bytes_per_second=sizes[1],
        messages=steps,
    )


async def _write(kubeconfig: Path, profiles: list[Profile]) -> None:
    now, concurrency = datetime.now(UTC), asyncio.Semaphore(8)
    async with open_cluster(str(kubeconfig)) as client:
        writer = ProfileWriter(client, RELEASE_NAMESPACE)

        async def write(profile: Profile) -> None:
            name, plural = contract_name(profile.identity), KINDS[profile.identity.kind].plural
            assert name
            manifest = to_manifest(profile, name=name, namespace=RELEASE_NAMESPACE, updated_at=now)
            async with concurrency:
                await writer.apply(plural, manifest)
                await writer.apply_status(plural, name, to_status(profile, refreshed_at=now))

        await asyncio.gather(*map(write, profiles))


def test_savings_by_hand(commands: Commands) -> None:
    """Of web (500m - 26m) x 3 = 1.422 cores are not needed, of api 4Gi - 1Gi = 3 GiB.

    Missing are (347 - 256) x 3 = 273 MiB and 0.5 cores. 1.422 of 2.5 cores are 57 %, 3 of 4.75 GiB 63 %.
    """
    document = commands.json("savings", "-n", DECIDED)
    text = commands.run("savings", "-n", DECIDED)

    total = document["total"]
    assert {workload["name"]: workload["replicas"] for workload in document["workloads"]} == {
        "web": 3,
        "api": 1,
    }
    assert (total["cpu"]["over"], total["cpu"]["under"], total["cpu"]["overShare"]) == (1.422, 0.5, 0.5688)
    assert (total["memory"]["over"], total["memory"]["under"]) == (3 * 1024 * MIB, 273 * MIB)
    assert "cores: 1.42 of 2.50 that are requested (57%) are not needed" in text
    assert max(map(len, text.splitlines())) <= 80
    commands.run("savings", "-n", DECIDED, "--fail-over", "60%", code=1)
    commands.run("savings", "-n", DECIDED, "--fail-over", "64%")


def test_connections_by_hand(commands: Commands) -> None:
    """60 of 80 messages a minute are 75 %, with a P95 of 90; only api's bytes are measured."""
    api, bot = commands.json("connections", "deploy/web", "-n", DECIDED)["peers"]

    assert (api["peer"], api["direction"], api["messageShare"]) == (f"{DECIDED}/api", "calls", 0.75)
    assert (api["messagesPerMinuteP95"], api["sentBytesPerSecond"], api["byteShare"]) == (90, 5120, 1)
    assert (bot["peer"], bot["direction"], bot["messageShare"]) == (f"{DECIDED}/bot", "called by", 0.25)


def test_a_patch_is_what_the_api_server_accepts(commands: Commands, kubectl: Kubectl, tmp_path: Path) -> None:
    """Strategic and JSON patches of web give 26m and 347Mi; the one for Kustomize is a part of the object."""
    expected = {"cpu": "26m", "memory": "347Mi"}
    for form, kind in (("strategic", "strategic"), ("json6902", "json"), ("kustomize", "strategic")):
        path = tmp_path / f"{form}.yaml"
        path.write_text(commands.run("export", "patch", f"{DECIDED}/web", "-o", form))
        patched = kubectl.json(
            *("patch", "deployment", "web", f"--namespace={DECIDED}", "--dry-run=server"),
            *(f"--type={kind}", f"--patch-file={path}"),
        )
        (main,) = patched["spec"]["template"]["spec"]["containers"]
        assert main["resources"]["requests"] == expected, form


def test_the_target_that_goes_with_a_request_is_what_the_api_server_accepts(
    commands: Commands, kubectl: Kubectl, tmp_path: Path
) -> None:
    """80 % of 500m are 400m, at 26m 1538 %; 90 % of 256Mi are 66 % of 347Mi; 200Mi stay.

    `savings` and `plan` name the same pairs, and nothing is changed: the patches are dry runs.
    """
    (planned,) = commands.json("plan", "-n", SCALED)["workloads"]
    (saved,) = commands.json("savings", "-n", SCALED)["workloads"]
    pairs = {one["resource"]: one for one in planned["horizontalAutoscalers"]}
    version = pairs["cpu"]["apiVersion"].partition("/")[2]
    resource = f"horizontalpodautoscalers.{version}.autoscaling"

    assert {name: one["targetPercent"]["new"] for name, one in pairs.items()} == {"cpu": 1538, "memory": 66}
    assert saved["horizontalAutoscalers"] == planned["horizontalAutoscalers"]
    for form, kind in (("strategic", "merge"), ("json6902", "json"), ("kustomize", "merge")):
        path = tmp_path / f"{form}.yaml"
        path.write_text(
            commands.run("export", "patch", f"{SCALED}/web", "--autoscaler", "web-scaler", "-o", form)
        )
        patched = kubectl.json(
            *("patch", resource, "web-scaler", f"--namespace={SCALED}", "--dry-run=server"),
            *(f"--type={kind}", f"--patch-file={path}"),
        )
        targets = [(one["resource"]["name"], one["resource"]["target"]) for one in patched["spec"]["metrics"]]
        assert sorted(targets, key=lambda one: (one[0], one[1]["type"])) == [
            ("cpu", {"type": "Utilization", "averageUtilization": 1538}),
            ("memory", {"type": "AverageValue", "averageValue": "200Mi"}),
            ("memory", {"type": "Utilization", "averageUtilization": 66}),
        ], form
    stored = kubectl.json("get", resource, "web-scaler", f"--namespace={SCALED}")
    [cpu] = [
        one["resource"]["target"] for one in stored["spec"]["metrics"] if one["resource"]["name"] == "cpu"
    ]
    assert cpu == {"type": "Utilization", "averageUtilization": 80}


def test_a_patch_builds_with_kustomize(commands: Commands, kubectl: Kubectl, tmp_path: Path) -> None:
    """The Deployment with its patch gives the requests of the plan."""
    manifest = _decided("web", 3, {"cpu": "500m", "memory": "256Mi"})
    tmp_path.joinpath("web.yaml").write_text(json.dumps(manifest))
    tmp_path.joinpath("patch.yaml").write_text(
        commands.run("export", "patch", f"{DECIDED}/web", "-o", "kustomize")
    )
    kustomization = {"resources": ["web.yaml"], "patchesStrategicMerge": ["patch.yaml"]}
    tmp_path.joinpath("kustomization.yaml").write_text(json.dumps(kustomization))

    built = kubectl.run("kustomize", str(tmp_path))

    assert "cpu: 26m" in built
    assert "memory: 347Mi" in built


def test_the_plan_is_what_the_webhook_then_sets(
    commands: Commands, control_plane: ControlPlane, kubectl: Kubectl, namespaces: list[DemandingNamespace]
) -> None:
    """Planned while no namespace asks for requests; then all do, and their Pods are created as dry runs.

    At least 50 Pods are admitted, and at least 20 of them get other amounts than their template has. The
    API server's own defaults count in both. At least 10 containers are left to a VerticalPodAutoscaler.
    """
    document = commands.json("plan", "-A")
    planned = {(one["namespace"], one["name"]): one for one in document["workloads"]}
    for namespace in namespaces:
        kubectl.run("label", "namespace", namespace.name, f"{LABEL}=true")

    admitted, changed, left = 0, 0, 0
    for pod in (pod for namespace in namespaces for pod in namespace.pods):
        stored = _admitted(control_plane, pod)
        if "spec" not in stored:
            continue
        admitted += 1
        plan = planned[pod.namespace, pod.job]
        set_amounts = {one["name"]: _amounts(one) for one in stored["spec"]["containers"]}
        plan_amounts = {one["name"]: _planned(one) for one in plan["containers"]}
        assert plan_amounts == set_amounts, (pod.namespace, pod.job, plan)
        changed += any(
            "reason" not in one["cpu"] or "reason" not in one["memory"] for one in plan["containers"]
        )
        left += sum(
            one[resource.value].get("reason") == SET_BY_VPA
            for one in plan["containers"]
            for resource in Resource
        )

    print(
        f"{admitted} of {4 * COUNT} Pods admitted, {changed} of them with other amounts; {left} left to a VPA"
    )
    assert admitted >= 50
    assert changed >= 20
    assert left >= 10


def test_a_crash_loop_ends_within_three_restarts(
    release: Release, control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    """Used were 300 MiB; it needs 1200 MiB, and its template has a limit of 512Mi.

    A limit of 512Mi is near enough to 1.25 times the need of some 360 MiB, and stays. Each kill is in the
    status that the kubelet writes; the next Pod, which the webhook sizes, gets more: 512 + 102.4 are 615Mi,
    times 1.25 769Mi; then 769 + 102.4 + 257 are 1129Mi, times 1.25 1412Mi. No restart in place changes that.
    """
    workload = Workload(HUNGRY, "app")
    learned = Learned(workload, 300 * MIB, 512 * MIB)
    asyncio.run(_write(control_plane.kubeconfig, [learned.profile()]))
    kubectl.run("label", "namespace", HUNGRY, f"{LABEL}=true")
    limits: list[float] = []

    with Kubelet(control_plane, node="hungry-node", namespaces=[HUNGRY]):
        manifest = hungry(workload.name, HUNGRY, needs="1200Mi", limit="512Mi")
        wait_until(lambda: _next_memory(kubectl, manifest, "requests") < 512 * MIB, 60, "the profile")
        kubectl.apply(manifest)
        while len(limits) < 5:
            [pod] = pods_of(kubectl, workload.name, HUNGRY, 1)
            started = wait_until(partial(_started, kubectl, pod["metadata"]["name"]), 60, "a status")
            killed_at = list(oom_kill_limits(started or {}))
            if not killed_at:
                break
            limits += killed_at
            learned.kill(pod["metadata"]["name"], limits[-1])
            asyncio.run(_write(control_plane.kubeconfig, [learned.profile()]))
            wait_until(partial(_gets_more, kubectl, manifest, limits[-1]), 60, "a higher limit")
            kubectl.run("delete", "pod", pod["metadata"]["name"], f"--namespace={HUNGRY}")

    print(f"killed at {[round(limit / MIB) for limit in limits]} MiB")
    assert limits == [512 * MIB, 769 * MIB]


def _started(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    """The Pod, once its containers run or were killed."""
    pod = kubectl.json("get", "pod", name, f"--namespace={HUNGRY}")
    return pod if pod["status"].get("containerStatuses") else None


def _gets_more(kubectl: Kubectl, manifest: dict[str, Any], limit: float) -> bool:
    return _next_memory(kubectl, manifest, "limits") > limit


def _next_memory(kubectl: Kubectl, manifest: dict[str, Any], member: str) -> float:
    """The memory that the next Pod of a Deployment has in its `requests` or `limits`."""
    name = manifest["metadata"]["name"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-6b6f9d7d5c", "controller": True}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-6b6f9d7d5c-x7k2p",
            "namespace": manifest["metadata"]["namespace"],
            "labels": {"pod-template-hash": "6b6f9d7d5c"},
            "ownerReferences": [owner | {"uid": "b7c1e9f0-0000-4000-8000-000000000000"}],
        },
        "spec": manifest["spec"]["template"]["spec"],
    }
    created = kubectl.json("create", "--dry-run=server", "--filename=-", input=json.dumps(pod))
    return float(parse_quantity(created["spec"]["containers"][0]["resources"][member]["memory"]))


def _admitted(control_plane: ControlPlane, pod: DemandedPod) -> dict[str, Any]:
    """The Pod as it would be stored, with the webhook's answer; an object without a spec if it is refused."""
    url = f"{control_plane.server_url}/api/v1/namespaces/{pod.namespace}/pods?dryRun=All"
    try:
        stored: dict[str, Any] = request_json(
            url, ca_file=control_plane.ca_file, token=ADMIN_TOKEN, body=pod.manifest
        )
    except urllib.error.HTTPError as error:
        with error:
            return {"refused": error.read().decode()}
    return stored


def _amounts(container: dict[str, Any]) -> dict[str, Decimal | None]:
    """Requests and limits of CPU and memory as numbers."""
    resources = container.get("resources") or {}
    return {
        f"{member} {resource}": _number((resources.get(member) or {}).get(resource.value))
        for member in ("requests", "limits")
        for resource in Resource
    }


def _planned(container: dict[str, Any]) -> dict[str, Decimal | None]:
    return {
        f"{member} {resource}": _exact(container[resource.value].get(key))
        for member, key in (("requests", "new"), ("limits", "newLimit"))
        for resource in Resource
    }


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _number(quantity: str | None) -> Decimal | None:
    return None if quantity is None else parse_quantity(quantity)

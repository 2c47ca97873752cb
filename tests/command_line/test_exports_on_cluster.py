"""Exported objects are what a real API server accepts, as dry runs.

In the namespace `exported`, `web` needs 26m and 347Mi and calls `api`; each has a Pod with Linkerd's proxy.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.quantities import format_time
from app.kubernetes.client import open_cluster
from app.kubernetes.profiles import ProfileWriter
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import ensure_crds, remove_profiles
from tests.cluster.waiting import wait_until
from tests.command_line.process import job_profiler
from tests.decisions.manifests import Object, container, edge, need

pytestmark = pytest.mark.cluster

EXPORTED, HOME, MESH, TENANT = "exported", "exported-profiles", "exported-mesh", "liqo-tenant-exported"
SLICES = Path(__file__).parents[1] / "cluster" / "resource_slices.yaml"
MIB = 1024**2
NOW = datetime.now(UTC)
OLD = format_time(NOW - timedelta(days=3))


def deployment(name: str) -> Object:
    """A meshed Deployment with one Pod."""
    labels = {"app": name, "linkerd.io/control-plane-ns": MESH}
    containers = [container(), container("linkerd-proxy")]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": EXPORTED},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


def profiles() -> Iterator[tuple[str, Object]]:
    """Each with its plural."""
    window = {"start": format_time(NOW - timedelta(days=1)), "end": format_time(NOW)}
    connection = edge("web", "api", "60.00", window=window, coverage="1.00", protocol="http", samples=288)
    connection["spec"] |= {"source_namespace": EXPORTED, "destination_namespace": EXPORTED}
    yield "connectionprofiles", connection | {"apiVersion": "webapp.liqo.io.profiling/v1"}
    for resource, value in (("cpu", "0.026"), ("memory", str(347 * MIB))):
        yield f"{resource}profiles", need(resource, "web", value, namespace=EXPORTED)


async def write(kubeconfig: Path) -> None:
    """Profiles with their status."""
    async with open_cluster(str(kubeconfig)) as client:
        writer = ProfileWriter(client, HOME)
        for plural, profile in profiles():
            profile["metadata"]["namespace"] = HOME
            status = profile.pop("status")
            await writer.apply(plural, profile)
            await writer.apply_status(plural, profile["metadata"]["name"], status)


@pytest.fixture(scope="module")
def exported(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[ControlPlane]:
    """The namespace, its profiles, and a healthy status of a profiler."""
    ensure_crds(kubectl)
    for name in (EXPORTED, HOME, MESH, TENANT):
        kubectl.create_namespace(name)
    signal = {"signal": "connections", "state": "Ok", "since": OLD}
    report = {"signals": [signal], "edgesOfUnknownEnds": {"since": OLD, "namespaces": []}}
    status = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "job-profiler-status", "namespace": HOME},
        "data": {"status.json": json.dumps(report)},
    }
    kubectl.apply(status, deployment("web"), deployment("api"))
    asyncio.run(write(control_plane.kubeconfig))
    wait_until(lambda: len(kubectl.api.list("pods", EXPORTED)) == 2, 60, "the Pods of web and api")
    yield control_plane
    remove_profiles(kubectl, HOME)
    kubectl.delete_namespaces(EXPORTED, HOME, MESH, TENANT)


def export(exported: ControlPlane, *arguments: str) -> str:
    """The standard output of the command."""
    access = ("--kubeconfig", exported.kubeconfig, "--own-namespace", HOME)
    done = job_profiler("export", *arguments, "-n", EXPORTED, *access)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accepted(kubectl: Kubectl, text: str) -> list[Any]:
    """The objects as the API server would store them."""
    options = ("--dry-run=server", "--filename=-", "--output=yaml")
    return list(yaml.safe_load_all(kubectl.run("create", *options, input=text)))


def test_network_policies(exported: ControlPlane, kubectl: Kubectl) -> None:
    """Ingress of `api` and Egress of `web`, as YAML and as JSON."""
    options = ("--ignore=*", "--excluded-namespaces=")
    text = export(exported, "network-policy", *options)
    document = export(exported, "network-policy", *options, "-o", "json")

    items = accepted(kubectl, document)
    assert [(one["metadata"]["name"], one["spec"]["policyTypes"]) for one in items] == [
        ("job-profiler-deployment-api", ["Ingress"]),
        ("job-profiler-deployment-web", ["Egress"]),
    ]
    assert [one["spec"] for one in accepted(kubectl, text)] == [one["spec"] for one in items]


def test_a_quota_and_a_slice(exported: ControlPlane, kubectl: Kubectl) -> None:
    """One Pod of `web`; `api` has no profile and no request, and does not count."""
    [quota] = accepted(kubectl, export(exported, "quota"))
    kubectl.run("apply", f"--filename={SLICES}")
    kubectl.run(
        "wait", "--for=condition=Established", "--timeout=30s", "crd/resourceslices.authentication.liqo.io"
    )
    [provided] = accepted(kubectl, export(exported, "quota", "-o", "resource-slice", "--provider=exported"))
    kubectl.run("delete", f"--filename={SLICES}")

    assert quota["spec"]["hard"] == {"requests.cpu": "26m", "requests.memory": "347Mi"}
    assert provided["metadata"]["namespace"] == TENANT
    assert provided["spec"]["resources"] == {"cpu": "26m", "memory": "347Mi", "pods": "2"}

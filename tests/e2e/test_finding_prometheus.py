"""Prometheus is found on a real API server: by commands from outside, and by the profiler in the cluster.

API server and Prometheus are in one network namespace: an additional address of the loopback interface is
that of a stand-in Pod, the only endpoint of the Service.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.control_plane import ADMIN_TOKEN, ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.processes import free_ports
from tests.cluster.prometheus import Prometheus
from tests.cluster.service_forwarder import Endpoint, ServiceForwarder
from tests.cluster.waiting import wait_until
from tests.command_line.process import job_profiler
from tests.conftest import require_parts
from tests.e2e.conftest import running
from tests.e2e.release import Release
from tests.kubernetes.kubeconfigs import kubeconfig
from tests.kubernetes.services import KPS, service
from tests.parts.locate import Part, is_continuous_integration
from tests.sources.forward_proxy import ForwardProxy

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

ADDRESS = "10.254.17.9"  # routed nowhere: it exists on the loopback interface alone, while the test runs
MONITORING = "monitoring"
COMMANDS = {
    "profile": (),
    "status": (),
    "probe": (),
    "doctor": (),
    "backtest": (),
    "record": ("-o", "/nonexistent.npz"),
    "explain": ("emojivoto/web",),
}


@contextmanager
def loopback_address(address: str) -> Iterator[None]:
    """An additional address of the loopback interface; without the right to add one, a build server fails."""
    require_parts(Part.IP)
    added = subprocess.run(
        ["ip", "address", "add", f"{address}/32", "dev", "lo"], capture_output=True, text=True, check=False
    )
    if added.returncode:
        give_up = pytest.fail if is_continuous_integration() else pytest.skip
        give_up(f"no address can be added to the loopback interface: {added.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


@pytest.fixture(scope="module")
def served(kubectl: Kubectl, emojivoto_prometheus: Prometheus) -> Iterator[int]:
    """The port of the Service monitoring/prom, behind which Prometheus answers."""
    [port] = free_ports(1)
    prometheus = Endpoint(
        "prometheus", urlsplit(emojivoto_prometheus.url).port or 0, f"{emojivoto_prometheus.url}/-/ready"
    )
    kubectl.create_namespace(MONITORING)
    with loopback_address(ADDRESS), ServiceForwarder(port, host=ADDRESS) as forwarder:
        forwarder.add(prometheus)
        forwarder.until_ready("prometheus")
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "prom-0", "namespace": MONITORING},
            "spec": {"containers": [{"name": "prometheus", "image": "prometheus"}]},
        }
        kubectl.apply(pod)
        status = {"status": {"phase": "Running", "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}}
        kubectl.run(
            *("patch", "pod", "prom-0", "-n", MONITORING, "--subresource=status", "--type=merge"),
            f"--patch={json.dumps(status)}",
        )
        ports = {"name": "http-web", "port": port}
        kubectl.apply({"apiVersion": "v1", "kind": "Service"} | service("prom", MONITORING, KPS, ports))
        kubectl.apply(
            endpoints(
                [{"ip": ADDRESS, "targetRef": {"kind": "Pod", "name": "prom-0", "namespace": MONITORING}}],
                port,
            )
        )
        yield port
    kubectl.delete_namespaces(MONITORING)


def endpoints(addresses: list[dict[str, Any]], port: int) -> dict[str, Any]:
    """The Endpoints of the Service."""
    subsets = [{"addresses": addresses, "ports": [{"name": "http-web", "port": port}]}] if addresses else []
    metadata = {"name": "prom", "namespace": MONITORING}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}


def account(kubectl: Kubectl, control_plane: ControlPlane, name: str, *rules: dict[str, Any]) -> str:
    """A kubeconfig of an account with these rights in the namespace `monitoring`."""
    kubectl.run("create", "serviceaccount", name, "-n", MONITORING)
    group = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": MONITORING}
    kubectl.apply({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": MONITORING}
    reference = {"apiGroup": group, "kind": "Role", "name": name}
    binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": metadata}
    kubectl.apply(binding | {"roleRef": reference, "subjects": [subject]})
    return str(control_plane.kubeconfig_of(name, MONITORING))


def right(resource: str, *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": [resource], "verbs": list(verbs)}


def test_commands_find_it(served: int, emojivoto: str, control_plane: ControlPlane) -> None:
    """The administrator names no Prometheus: it is found, named, and read through the API server."""
    access = ("--kubeconfig", control_plane.kubeconfig, "-n", emojivoto)

    profile = job_profiler("profile", *access, "-o", "json")
    doctor = job_profiler("doctor", *access, "-o", "json")

    assert profile.returncode == 0, profile.stderr
    assert f"Prometheus found: http://prom.{MONITORING}.svc:{served}\n" in profile.stderr
    # CPU and memory of five Deployments, and their four connections.
    assert len(json.loads(profile.stdout)["items"]) == 14
    assert doctor.returncode == 0, doctor.stderr


def test_the_rights_of_a_reader(served: int, kubectl: Kubectl, control_plane: ControlPlane) -> None:
    """`list services` and `get services/proxy` in one namespace are enough; `create` is not needed."""
    path = account(
        kubectl, control_plane, "reader", right("services", "list"), right("services/proxy", "get")
    )

    done = job_profiler("doctor", "--kubeconfig", path, "-A")

    assert done.returncode == 0, done.stderr


def test_the_missing_right_is_named(served: int, kubectl: Kubectl, control_plane: ControlPlane) -> None:
    """For an account that may only list Services, the error names the missing right and another way."""
    path = account(kubectl, control_plane, "lister", right("services", "list"))

    done = job_profiler("backtest", "--kubeconfig", path, "-A")

    assert done.returncode == 1
    assert 'cannot get resource "services/proxy"' in done.stderr
    assert f"The missing right is `get` on `services/proxy` in namespace {MONITORING}" in done.stderr
    assert f"kubectl port-forward -n {MONITORING} svc/prom 9090:{served}" in done.stderr


def test_no_endpoint(served: int, kubectl: Kubectl, control_plane: ControlPlane) -> None:
    """Prometheus has no Pod: the API server says so, and the text names the port-forward command."""
    stored = kubectl.json("get", "endpoints", "prom", "-n", MONITORING)
    kubectl.run("delete", "endpoints", "prom", "-n", MONITORING)
    try:
        done = job_profiler("backtest", "--kubeconfig", control_plane.kubeconfig, "-A")
    finally:
        kubectl.apply(endpoints(stored["subsets"][0]["addresses"], served))

    assert done.returncode == 1
    assert f"the API server does not reach Prometheus ({MONITORING}/prom): " in done.stderr
    assert "kubectl port-forward" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", ["kubeconfig", "flag"])
def test_alice_is_alice_for_every_command(
    way: str, command: str, served: int, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """The administrator's token acts as alice, who may do nothing: each command is refused as alice."""
    user = {"token": ADMIN_TOKEN} | ({"as": "alice"} if way == "kubeconfig" else {})
    authority = {"certificate-authority": str(control_plane.ca_file)}
    path = kubeconfig(tmp_path, user, control_plane.server_url, cluster=authority)

    flags = ("--as", "alice") if way == "flag" else ()
    done = job_profiler(command, *COMMANDS[command], "--kubeconfig", path, *flags)

    assert done.returncode != 0
    assert 'User "alice" cannot ' in done.stdout + done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_the_profiler_finds_it(
    served: int,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    helm4: Helm,
    tmp_path: Path,
) -> None:
    """With the chart's defaults Helm grants the search where namespaces exist, and the profiler finds one.

    A forward proxy stands for the cluster's DNS and its Services. `status` names the server.
    """
    asyncio.run(_release_finds(served, emojivoto_prometheus, control_plane, kubectl, helm4, tmp_path))


async def _release_finds(
    port: int,
    prometheus: Prometheus,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    helm: Helm,
    directory: Path,
) -> None:
    release = Release(helm, control_plane, kubectl, "profiling-finding", directory)
    names = {f"prom_{MONITORING}_svc": ("127.0.0.1", urlsplit(prometheus.url).port or 0)}
    async with ForwardProxy(**names) as proxy:
        values = release.values(
            "auto", {"profiler": {"extraEnv": [{"name": "HTTP_PROXY", "value": proxy.url}]}}
        )
        await asyncio.to_thread(_check_release, release, values, port)
        assert set(proxy.targets) == {
            f"POST prom.{MONITORING}.svc:{port}",
            f"GET prom.{MONITORING}.svc:{port}",
        }


def _check_release(release: Release, values: dict[str, Any], port: int) -> None:
    url = f"http://prom.{MONITORING}.svc:{port}"
    with running(release, values):
        granted = {
            role["metadata"]["namespace"]
            for role in release.kubectl.json("get", "roles", "--all-namespaces")["items"]
            if role["metadata"]["name"] == "job-profiler-profiler-services"
        }
        assert granted == {MONITORING, release.namespace}
        wait_until(
            lambda: len(release.kubectl.api.list("cpuprofiles", release.namespace)) == 5, 60, "profiles"
        )
        status = job_profiler("status", "--kubeconfig", release.kubectl.kubeconfig, "-n", release.namespace)
        assert status.returncode == 0, status.stdout
        assert f"Prometheus found: {url} (containers)\n" in status.stdout
        found = job_profiler("doctor", "--kubeconfig", release.kubectl.kubeconfig, "-A")
        assert f"Prometheus found: {url}\n" in found.stderr

"""The sandbox on a real API server: Pods live, the tour's commands work as printed, `helm test` passes.

The history is constant, so web's needs are known from tests/histories/emojivoto: 17m and 21Mi for web-svc,
less for its proxy. All are below the floors of 20m and 32Mi, to which requests are raised. Tests run in this
order.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl, KubectlError
from tests.cluster.profile_crds import remove_crds
from tests.cluster.prometheus import Prometheus
from tests.cluster.versions import require_minor
from tests.cluster.waiting import wait_until
from tests.conftest import require_parts
from tests.e2e.release import NAME
from tests.e2e.workloads import deployment, our_annotations, pods_of
from tests.histories.emojivoto.description import NAMESPACE as EMOJIVOTO
from tests.page_commands import PAGES, TYPED, blocks
from tests.parts.locate import Part
from tests.sandbox.stack import NAMESPACE, Sandbox
from tests.sandbox.tour import TOUR

pytestmark = [pytest.mark.cluster, pytest.mark.chart, pytest.mark.prometheus]

ZONE = "sandbox-zone"  # a namespace without the product
FLOORS = {"cpu": "20m", "memory": "32Mi"}
SCHEDULING_LABEL = "job-profiler.liqo.io/scheduling"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def sandbox(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    emojivoto: str,
    emojivoto_prometheus: Prometheus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sandbox]:
    """A sandbox that leaves no object: its Pods are deleted while its kubelet runs."""
    require_parts(Part.HELM_4)
    remove_crds(kubectl)
    kubectl.create_namespace(ZONE)
    directory, namespaces = tmp_path_factory.mktemp("sandbox"), (NAMESPACE, emojivoto, ZONE)
    with Sandbox(directory, control_plane, kubectl, emojivoto_prometheus.url, namespaces) as running:
        yield running
        running.release.helm.uninstall(NAME, NAMESPACE)
        kubectl.run("delete", "deployments", "--all", f"--namespace={emojivoto}")
        kubectl.run("label", "namespace", emojivoto, f"{SCHEDULING_LABEL}-")
        kubectl.delete_namespaces(NAMESPACE, ZONE)
        wait_until(
            lambda: not any(kubectl.api.list("pods", namespace) for namespace in namespaces),
            PATIENCE_SECONDS,
            "all Pods to go",
        )
        remove_crds(kubectl)


def typed(sandbox: Sandbox, command: str, folder: Path = Path("/")) -> str:
    """What a user's shell in *folder* prints for a command, after the one that the sandbox asks for."""
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    done = subprocess.run(
        ["bash", "-c", f". {sandbox.activate}\n{command}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def typed_slowly(sandbox: Sandbox, kubectl: Kubectl, command: str) -> str:
    """Types the command once the product's old Pods are gone: until then their settings may decide."""

    def are_gone() -> bool:
        pods = kubectl.api.list("pods", NAMESPACE)
        return not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    wait_until(are_gone, PATIENCE_SECONDS, "the old Pods to go")
    return typed(sandbox, command)


def is_ready(pod: dict[str, Any]) -> bool:
    """True if the Pod's condition Ready is True."""
    conditions = pod["status"].get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def test_pods_become_ready(sandbox: Sandbox, kubectl: Kubectl) -> None:
    """The product's four Pods and emojivoto's six are ready, on the one node, each with its own address."""
    pods = [pod for namespace in (NAMESPACE, EMOJIVOTO) for pod in kubectl.api.list("pods", namespace)]

    assert all(is_ready(pod) and pod["status"]["phase"] == "Running" for pod in pods)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1"}
    assert len({pod["status"]["podIP"] for pod in pods}) == len(pods) == 4 + 6
    assert sandbox.is_running


def test_a_roll_out_completes_and_a_deleted_pod_goes(sandbox: Sandbox, kubectl: Kubectl) -> None:
    """After a roll-out there are two new Pods; a Pod with a grace period of 30 s is gone in less."""
    web = deployment("web", ZONE, replicas=2)
    kubectl.apply(web)
    typed(sandbox, f"kubectl rollout status deployment web -n {ZONE}")
    before = {pod["metadata"]["name"] for pod in pods_of(kubectl, "web", ZONE, 2)}

    typed(sandbox, f"kubectl rollout restart deployment web -n {ZONE}")
    typed(sandbox, f"kubectl rollout status deployment web -n {ZONE} --timeout=60s")

    pods = pods_of(kubectl, "web", ZONE, 2)
    assert not before & {pod["metadata"]["name"] for pod in pods}
    name = pods[0]["metadata"]["name"]
    assert pods[0]["spec"]["terminationGracePeriodSeconds"] == 30
    kubectl.run("delete", "pod", name, f"--namespace={ZONE}", "--timeout=25s")
    with pytest.raises(KubectlError, match="not found"):
        kubectl.run("get", "pod", name, f"--namespace={ZONE}")


def test_a_job_completes(sandbox: Sandbox) -> None:
    """The Job's Pod succeeds after 10 s, as the stand-in decides, and the Job completes."""
    typed(sandbox, f"kubectl create job once --image=x -n {ZONE}")

    typed(sandbox, f"kubectl wait --for=condition=complete job/once -n {ZONE} --timeout=60s")


def test_a_resize_is_mirrored(sandbox: Sandbox, kubectl: Kubectl, control_plane: ControlPlane) -> None:
    """After an in-place resize the container's status has the new request, and it was not restarted."""
    require_minor(control_plane, 33, "resizes")
    [pod] = pods_of(kubectl, "emoji", EMOJIVOTO, 1)
    name = pod["metadata"]["name"]
    patch = '{"spec":{"containers":[{"name":"emoji-svc","resources":{"requests":{"cpu":"70m"}}}]}}'

    typed(sandbox, f"kubectl patch pod {name} -n {EMOJIVOTO} --subresource resize -p '{patch}'")

    def resized() -> bool:
        statuses = kubectl.api.get("pods", name, EMOJIVOTO)["status"]["containerStatuses"]
        [container] = [status for status in statuses if status["name"] == "emoji-svc"]
        cpu = container["resources"]["requests"]["cpu"], container["allocatedResources"]["cpu"]
        return cpu == ("70m", "70m") and container["restartCount"] == 0

    wait_until(resized, PATIENCE_SECONDS, "the status to have the new request")


def test_the_logs_of_the_product_are_shown(sandbox: Sandbox, kubectl: Kubectl) -> None:
    """`kubectl logs` works for a process; elsewhere it says why not, and so does `kubectl exec`."""
    target = f"deploy/{NAME}-webhook -n {NAMESPACE}"

    assert '"event": "started"' in typed(sandbox, f"kubectl logs {target}")
    assert len(typed(sandbox, f"kubectl logs {target} --tail=2").splitlines()) == 2
    assert "Nothing runs in this Pod" in typed(sandbox, f"kubectl logs deploy/web -n {EMOJIVOTO}")
    with pytest.raises(KubectlError, match="run the command on this machine"):
        kubectl.run("exec", f"deploy/{NAME}-webhook", f"--namespace={NAMESPACE}", "--", "true")


def _that_ends(command: str) -> str:
    """The *command*, interrupted if it does not end by itself, and with an output if it has none."""
    if command.rstrip().endswith(("serve --role webhook", "demo --keep", "dashboard -A")):
        return f"timeout --signal=INT 15 {command} 2>&1 || test $? = 124"
    if command.startswith("source "):
        return f"{command}; complete -p job-profiler"
    return command


def test_the_commands_of_the_pages_run(sandbox: Sandbox, kubectl: Kubectl, tmp_path: Path) -> None:
    """Those of README, quick start, command line and consumers exit with 0 and print something.

    They run in a folder that has the files of earlier commands.

    `serve`, `dashboard` and `demo --keep` run until they are interrupted.
    A context `production` is in the kubeconfig.
    """
    copied = tmp_path / "kubeconfig"
    copied.write_text(kubectl.kubeconfig.read_text())
    in_folder = f"export KUBECONFIG={copied} COLUMNS=80; "
    context = kubectl.run("config", "current-context").strip()
    kubectl.run("config", f"--kubeconfig={copied}", "rename-context", context, "production")
    for file in ("before", "after"):
        typed(sandbox, f"{in_folder}job-profiler plan -n emojivoto -o json > {file}.json", tmp_path)
    typed(sandbox, f"{in_folder}job-profiler record -n emojivoto --output usage.npz", tmp_path)
    commands = {
        command
        for page in TYPED
        for block in blocks(page.read_text())
        for command in block.commands
        if not block.reason
    }

    printed = {
        command: typed(sandbox, in_folder + _that_ends(command.partition("  #")[0]), tmp_path)
        for command in sorted(commands)
    }

    assert len(commands) > 25
    assert [command for command, output in printed.items() if not output.strip()] == []


def test_the_example_in_python_reads_the_profiles(sandbox: Sandbox, kubectl: Kubectl, tmp_path: Path) -> None:
    """It prints a line for each of the six Pods of emojivoto.

    The name of web's profile is the one that the page computes with sha1sum.
    """
    page = (PAGES / "consume.md").read_text()
    [example] = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    tmp_path.joinpath("example.py").write_text(example)

    printed = typed(sandbox, f"{sys.executable} example.py", tmp_path).splitlines()

    assert len(printed) == 6
    assert all(re.fullmatch(r"[\w-]+: \d+\.\d{3} cores, confidence 0\.\d\d", line) for line in printed)
    [pod, *_] = pods_of(kubectl, "web", EMOJIVOTO, 2)
    digest = typed(sandbox, "printf web%s emojivoto | sha1sum").split()[0]
    assert our_annotations(pod)["liqo.io/cpuProfile"] == f"cpuprofile-{digest}"


def test_the_tour_works_as_printed(sandbox: Sandbox, kubectl: Kubectl) -> None:
    """Every command succeeds: `helm test` passes, the next Pods get requests, another replica leads."""
    shown = {
        stop.question: [typed_slowly(sandbox, kubectl, command) for command in stop.commands] for stop in TOUR
    }
    decisions, annotations, webhook, requests, leaders = shown.values()

    assert all("emojivoto/web" in printed for printed in decisions)
    assert "emojivoto/voting" in decisions[2]
    assert annotations[-1].count("liqo.io/cpuProfile: ") == 3
    assert "Phase:          Succeeded" in webhook[0]
    assert "ok: the webhook mutated the dry-run ConfigMap" in webhook[0]
    assert webhook[1].startswith(f"Leader: {NAME}-profiler-")
    assert requests[-1].startswith("POD")
    assert leaders[0].split()[1] != leaders[-1].split()[1]
    assert leaders[-1].startswith(f"Leader: {NAME}-profiler-")
    # The old Pods may be listed for a moment after the roll-out.
    pods = pods_of(kubectl, "web", EMOJIVOTO, 3)
    assert all(our_annotations(pod) for pod in pods)
    assert [
        {container["name"]: container["resources"] for container in pod["spec"]["containers"]} for pod in pods
    ] == [{"web-svc": {"requests": FLOORS}, "linkerd-proxy": {"requests": FLOORS}}] * 3

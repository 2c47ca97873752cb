"""Runs VPA's updater and admission controller beside the product, and prints what they did.

They are built in the folder vertical-pod-autoscaler of kubernetes/autoscaler's source (1.8.0 was tried) by
`go build -o BIN/ ./pkg/updater ./pkg/admission-controller`. KUBEBUILDER_ASSETS has to hold Kubernetes 1.33 or
newer. The admission controller listens on all addresses, so a network namespace of its own is in place:

    unshare --net sh -ec 'ip link set lo up; python -m tests.real_vpa SOURCE BIN'
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.audit_log import audited_requests
from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.kubelet import Kubelet
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import AHEAD_SECONDS, DAYS, recent_moment, running
from tests.e2e.release import Release
from tests.e2e.workloads import pods_of
from tests.histories.emojivoto.description import NAMESPACE
from tests.histories.emojivoto.metrics import write_past
from tests.histories.lengths import days_from_midnight
from tests.parts.locate import Part, require
from tests.real_vpa.findings import Findings
from tests.real_vpa.pod_watch import PodWatch
from tests.real_vpa.programs import NAMESPACE as VPA_NAMESPACE
from tests.real_vpa.programs import UPDATER, Source, VpaPrograms
from tests.real_vpa.workloads import WORKLOADS

LABEL = "job-profiler.liqo.io/vpa"
LEAST_MEMORY = "job-profiler.liqo.io/min-memory"
RAISED, RAISED_TO = WORKLOADS[0], "512Mi"
QUIET_LOOPS = 20
SETTLED_SECONDS = 180
LOOP_SECONDS = 10  # with a busy machine


def main() -> int:
    """Returns the exit code: 1 if something was not as expected."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="the folder vertical-pod-autoscaler of the source")
    parser.add_argument("binaries", type=Path, help="the folder of updater and admission-controller")
    parser.add_argument("--logs", type=Path, help="a new folder for all logs, which is kept")
    options = parser.parse_args()
    source = Source(options.source.absolute(), options.binaries.absolute())
    with ExitStack() as running_parts:
        directory = options.logs or Path(running_parts.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        findings = _run(source, directory.absolute(), running_parts)
    return findings.exit_code


def _run(source: Source, directory: Path, parts: ExitStack) -> Findings:
    control_plane = parts.enter_context(ControlPlane(directory / "control-plane"))
    kubectl = Kubectl(control_plane.kubeconfig)
    parts.callback(kubectl.api.close)
    kubectl.create_namespace(NAMESPACE)
    parts.enter_context(Kubelet(control_plane, namespaces=(NAMESPACE,)))
    programs = parts.enter_context(VpaPrograms(source, control_plane, kubectl, directory))
    watch = parts.enter_context(PodWatch(control_plane, NAMESPACE))
    kubectl.apply(*(workload.manifest() for workload in WORKLOADS))
    for workload in WORKLOADS:
        pods_of(kubectl, workload.name, NAMESPACE, workload.replicas)
    wait_until(lambda: _all_settled(watch), 60, "all Pods to be ready")
    parts.enter_context(_product(control_plane, kubectl, directory))
    findings = Findings(f"Kubernetes {control_plane.version}")

    began = time.time()
    kubectl.run("label", "namespace", NAMESPACE, f"{LABEL}=InPlaceOrRecreate")
    wait_until(lambda: len(_recommended(kubectl)) == len(WORKLOADS), 60, "recommendations")
    findings.note_recommendations(_recommended(kubectl), time.time() - began)
    _until_quiet(programs, watch)
    findings.note_changes("After the label", watch, began, programs.log_of(UPDATER))
    findings.note_pods(kubectl.api.list("pods", NAMESPACE), _recommended(kubectl))
    _note_quiet(findings, programs, watch, control_plane)

    began = time.time()
    kubectl.run(
        "annotate", "deployment", RAISED.name, f"--namespace={NAMESPACE}", f"{LEAST_MEMORY}={RAISED_TO}"
    )
    wait_until(lambda: _target(kubectl, RAISED.name)["memory"] == RAISED_TO, 60, "the raised target")
    _until_quiet(programs, watch)
    findings.note_changes("After a target moved", watch, began, programs.log_of(UPDATER), [RAISED])
    findings.note_pods(kubectl.api.list("pods", NAMESPACE), _recommended(kubectl))
    findings.note_requests(_requests_of_updater(control_plane))
    return findings


def _note_quiet(
    findings: Findings, programs: VpaPrograms, watch: PodWatch, control_plane: ControlPlane
) -> None:
    """Waits for `QUIET_LOOPS` loops of the updater, in which it must do nothing."""
    since, first = time.time(), programs.loops
    asked = len(_requests_of_updater(control_plane))
    wait_until(lambda: programs.loops >= first + QUIET_LOOPS, QUIET_LOOPS * LOOP_SECONDS, "the quiet loops")
    requests = _requests_of_updater(control_plane)[asked:]  # one that changes nothing is a request, too
    findings.note_quiet(watch, since, programs.loops - first, requests)


def _requests_of_updater(control_plane: ControlPlane) -> list[str]:
    """Its requests that change Pods, in order."""
    return [
        f"{one.verb} {one.resource} {one.name}"
        for one in audited_requests(control_plane.audit_log, VPA_NAMESPACE)
        if one.account == UPDATER and one.resource in {"pods/resize", "pods/eviction"}
    ]


@contextmanager
def _product(control_plane: ControlPlane, kubectl: Kubectl, directory: Path) -> Iterator[Release]:
    """The product with three days of emojivoto, as the end-to-end tests have it."""
    text, now = directory / "emojivoto.txt", recent_moment()
    days = days_from_midnight(now, DAYS, ahead_seconds=AHEAD_SECONDS)
    write_past(text, end=now + AHEAD_SECONDS, days=days, scrape_seconds=60, flavour="constant")
    (directory / "helm").mkdir()
    helm = Helm(require(Part.HELM_4), directory / "helm")
    with Prometheus(directory / "prometheus", text) as prometheus:
        release = Release(helm, control_plane, kubectl, "profiling", directory)
        vpa = {"recommender": {"enabled": True}, "objects": {"enabled": True}}
        extra = {"vpa": vpa, "profiling": {"namespaces": [NAMESPACE], "updateSeconds": 10}}
        with running(release, release.values(prometheus.url, extra)):
            yield release


def _all_settled(watch: PodWatch) -> bool:
    return all(
        sum(state.is_settled for state in watch.last(workload.name)) == workload.replicas
        for workload in WORKLOADS
    )


def _until_quiet(programs: VpaPrograms, watch: PodWatch) -> None:
    """Waits until three loops in a row change nothing."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < deadline:
        loops, seen = programs.loops, len(watch.states)
        wait_until(lambda: programs.loops >= loops + 3, 3 * LOOP_SECONDS, "three loops")  # noqa: B023
        if len(watch.states) == seen and _all_settled(watch):
            return
    raise TimeoutError(f"Pods still change after {SETTLED_SECONDS} s")


def _target(kubectl: Kubectl, workload: str) -> dict[str, str]:
    """The target of the container that has the workload's name."""
    return _recommended(kubectl)[workload][workload]["target"]


def _recommended(kubectl: Kubectl) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """The recommendations by workload and container."""
    found = {}
    for one in kubectl.json("get", "vpa", f"--namespace={NAMESPACE}")["items"]:
        items = one.get("status", {}).get("recommendation", {}).get("containerRecommendations", [])
        if items:
            found[one["spec"]["targetRef"]["name"]] = {item["containerName"]: item for item in items}
    return found


if __name__ == "__main__":
    sys.exit(main())

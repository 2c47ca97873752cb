"""A local sandbox: a control plane, a Prometheus with emojivoto, and the product installed by Helm.

It runs until Ctrl-C and removes everything. There is no kubelet: Pods are admitted and annotated, and stay
Pending.
"""

import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.control_plane import ControlPlane
from tests.cluster.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.cluster.waiting import wait_until
from tests.e2e.release import Release
from tests.e2e.workloads import deployment
from tests.histories.emojivoto.metrics import write_past
from tests.parts.locate import Part, find, require

NAMESPACE = "profiling"
PAST_DAYS, AHEAD_SECONDS = 7, 86400
MICRO_SERVICES = ("web", "voting", "emoji", "vote-bot")
NEEDED = (
    Part.ETCD,
    Part.KUBE_APISERVER,
    Part.KUBE_CONTROLLER_MANAGER,
    Part.KUBECTL,
    Part.HELM_4,
    Part.PROMETHEUS,
    Part.PROMTOOL,
)


def main() -> None:
    """Starts everything, prints instructions, waits, and removes everything."""
    if missing := [part for part in NEEDED if find(part) is None]:
        sys.exit("\n".join(f"{part.title} is missing: {part.how_to_get}" for part in missing))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="job-profiler-sandbox-") as directory, ExitStack() as parts:
        release = _start(Path(directory), parts)
        _explain(release)
        while not stop.wait(1):
            if ended := [name for name, process in release.processes.items() if not process.is_running]:
                sys.exit(f"{', '.join(ended)} exited; see above, or the log in {directory}")
        print("\nStopping ...")


def _start(directory: Path, parts: ExitStack) -> Release:
    print("Starting etcd, kube-apiserver and kube-controller-manager ...")
    control_plane = parts.enter_context(ControlPlane(directory / "control-plane"))
    kubectl = Kubectl(control_plane.kubeconfig)
    print(f"Writing {PAST_DAYS} days of emojivoto into Prometheus ...")
    past = directory / "emojivoto.txt"
    days = PAST_DAYS + AHEAD_SECONDS / 86400
    write_past(past, end=int(time.time()) + AHEAD_SECONDS, days=days, scrape_seconds=60, flavour="rhythm")
    prometheus = parts.enter_context(Prometheus(directory / "prometheus", past))
    print("helm install ...")
    (directory / "helm").mkdir()
    helm = Helm(require(Part.HELM_4), directory / "helm")
    release = Release(helm, control_plane, kubectl, NAMESPACE, directory)
    release.brings_crds = True
    for namespace in (NAMESPACE, "emojivoto"):
        kubectl.create_namespace(namespace)
    release.install(release.values(prometheus.url, {"profiling": {"updateSeconds": 10}}))
    parts.callback(release.stop)
    release.start()
    wait_until(lambda: len(release.profiles()) >= 2 * len(MICRO_SERVICES), 60, "the profiles")
    kubectl.apply(*(deployment(name, "emojivoto") for name in MICRO_SERVICES))
    return release


def _explain(release: Release) -> None:
    kubectl = require(Part.KUBECTL)
    print(f"""
The sandbox is up: Kubernetes {release.version}, Prometheus, and the product in namespace {NAMESPACE}.
In another terminal:

  export KUBECONFIG={release.kubectl.kubeconfig}
  alias kubectl={kubectl}
  kubectl get profiling -n {NAMESPACE}
  kubectl get pods -n emojivoto -o yaml | grep liqo.io
  kubectl scale deployment web --replicas=3 -n emojivoto
  {sys.executable} -m app status --kubeconfig $KUBECONFIG --own-namespace {NAMESPACE}

Ctrl-C ends it and removes everything.""")


if __name__ == "__main__":
    main()

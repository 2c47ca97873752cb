"""Starts the sandbox, prints what to try, and removes everything after Ctrl-C or a day."""

import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.prometheus import Prometheus
from tests.histories.emojivoto.description import NAMESPACE as EMOJIVOTO
from tests.histories.emojivoto.metrics import write_past
from tests.parts.locate import Part, find
from tests.sandbox.stack import Sandbox
from tests.sandbox.tour import addresses, tour

PAST_DAYS, AHEAD_SECONDS = 7, 86400
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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        suppress(KeyboardInterrupt),  # also while it starts
        tempfile.TemporaryDirectory(prefix="job-profiler-sandbox-") as directory,
        ExitStack() as parts,
    ):
        sandbox = _start(Path(directory), parts)
        parts.callback(print, "\nStopping ...", flush=True)
        _explain(sandbox)
        ends = time.monotonic() + AHEAD_SECONDS  # no samples, and no valid tokens, after that
        while time.monotonic() < ends:
            time.sleep(1)
            if not sandbox.is_running:
                sys.exit("the stand-in for the kubelet has failed; see above")


def _start(directory: Path, parts: ExitStack) -> Sandbox:
    print("Starting etcd, kube-apiserver and kube-controller-manager ...", flush=True)
    control_plane = parts.enter_context(ControlPlane(directory / "control-plane"))
    print(f"Writing {PAST_DAYS} days of emojivoto into Prometheus ...", flush=True)
    past = directory / "emojivoto.txt"
    days = PAST_DAYS + AHEAD_SECONDS / 86400
    write_past(past, end=int(time.time()) + AHEAD_SECONDS, days=days, scrape_seconds=60, flavour="rhythm")
    prometheus = parts.enter_context(Prometheus(directory / "prometheus", past))
    past.unlink()
    print("helm install --wait ...", flush=True)
    kubectl = Kubectl(control_plane.kubeconfig)
    parts.callback(kubectl.api.close)
    kubectl.create_namespace(EMOJIVOTO)
    return parts.enter_context(Sandbox(directory, control_plane, kubectl, prometheus.url))


def _explain(sandbox: Sandbox) -> None:
    urls = {
        "Prometheus": sandbox.prometheus_url,
        "webhook": sandbox.webhook_url,
        "API server": sandbox.api_url,
        "logs": str(sandbox.directory),
    }
    print()
    print(addresses(sandbox.version, urls, sandbox.activate))
    print("Five things to try there:\n")
    print(tour())
    print("Ctrl-C here ends it and removes everything; so does the end of a day.", flush=True)


if __name__ == "__main__":
    main()

"""Time of `job-profiler profile` beside curl's for the same answers, and beside KRR's: `make bench-profile`.

Each is a process that starts, asks a real Prometheus and ends. KRR="PYTHON KRR.PY" names a Python with KRR's
requirements, and its program: KRR then reads the same Deployments from a control plane, and as many days. The
benchmark fails if `profile` takes more than a third of its time.
"""

import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter
from urllib.request import Request, urlopen

from benchmarks.past_usage import (
    RunningPast,
    Size,
    curl_seconds,
    newest_labels,
    past_of,
    size_of,
    size_options,
)
from benchmarks.rig import ROOT
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl

SHARE_OF_KRR = 1 / 3


@dataclass(frozen=True, slots=True)
class Cost:
    """One run of a program."""

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float


def main() -> None:
    """Prints a line for each program and round, and the medians."""
    options = size_options(__doc__).parse_args()
    size = size_of(options)
    krr = shlex.split(os.environ.get("KRR", ""))
    with tempfile.TemporaryDirectory(prefix="bench-profile-") as name, ExitStack() as parts:
        directory = Path(name)
        past = parts.enter_context(past_of(size, directory))
        programs = {"profile": _profile(past.url, size)}
        if krr:
            control_plane = parts.enter_context(ControlPlane(directory / "control-plane"))
            _create_deployments(past, control_plane)
            programs["KRR"] = [
                *(*krr, "simple", "--quiet", "-f", "json", "-p", past.url),
                *("--history_duration", str(24 * size.days)),
            ]
            os.environ["KUBECONFIG"] = str(control_plane.kubeconfig)
        sys.exit(not _compare(past, programs, options.rounds, directory, size))


def _profile(url: str, size: Size) -> list[str]:
    history = f"--history-days={size.days}"
    return [sys.executable, "-m", "app", "profile", "-A", f"--prometheus-url={url}", history, "-o", "json"]


def _compare(
    past: RunningPast, programs: dict[str, list[str]], rounds: int, directory: Path, size: Size
) -> bool:
    """Prints the costs; True if `profile` takes at most its share of KRR's time."""
    with _recorder(past.url) as (url, forms):
        output = directory / "profiles.json"
        with output.open("w") as file:
            subprocess.run(_profile(url, size), cwd=ROOT, stdout=file, check=True)
    print(f"{len(json.loads(output.read_text())['items'])} profiles from {len(forms)} queries;", end=" ")
    print("Prometheus runs on the same cores")
    print(f"{'program':<9}{'s':>7}{'CPU s':>7}{'CPU of Prometheus s':>21}", flush=True)
    costs: dict[str, list[Cost]] = {name: [] for name in (*programs, "curl")}
    for number in range(rounds + 1):
        for name, measured in costs.items():
            if name == "curl":
                cost = _cost(past, partial(curl_seconds, past.url, forms, directory))
            else:
                cost = _cost(past, partial(_program_seconds, programs[name], directory))
            if number:  # the first round warms up the server
                measured.append(cost)
                print(f"{name:<9}{cost.seconds:>7.2f}{cost.cpu_seconds:>7.2f}", end="")
                print(f"{cost.server_cpu_seconds:>21.2f}", flush=True)
    shares = {
        name: median(
            own.seconds / other.seconds for own, other in zip(costs["profile"], measured, strict=True)
        )
        for name, measured in costs.items()
        if name != "profile"
    }
    print("profile: " + ", ".join(f"{share:.2f} x {name}" for name, share in shares.items()))
    return shares.get("KRR", 0) <= SHARE_OF_KRR


def _cost(past: RunningPast, run: Callable[[], float]) -> Cost:
    """The cost of the process that *run* starts and waits for, which returns its time."""
    used, before = past.cpu_seconds, resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own_seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(seconds, own_seconds, past.cpu_seconds - used)


def _program_seconds(command: Sequence[str], directory: Path) -> float:
    """The time of a run of *command*."""
    path, started = directory / "output", perf_counter()
    with path.open("w") as output:
        process = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False)
    seconds = perf_counter() - started
    if process.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{path.read_text()[-2000:]}")
    return seconds


@contextmanager
def _recorder(url: str) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server that passes requests on to *url*, and the forms of range queries so far."""
    forms: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.endswith("/query_range"):
                forms.append(form)
            self._pass_on(form)

        def do_GET(self) -> None:
            self._pass_on(None)

        def _pass_on(self, form: bytes | None) -> None:
            with urlopen(Request(url + self.path, form)) as response:
                answer = response.read()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", forms
        server.shutdown()


def _create_deployments(past: RunningPast, control_plane: ControlPlane) -> None:
    """Creates each Deployment of the past; it has no Pods here, since their past is in Prometheus."""
    kubectl = Kubectl(control_plane.kubeconfig)
    owners = {
        (labels["namespace"], labels["owner_name"]) for labels in newest_labels(past, "kube_replicaset_owner")
    }
    for namespace in sorted({namespace for namespace, _ in owners}):
        kubectl.create_namespace(namespace)
    containers = [{"name": "app", "image": "x"}]
    kubectl.apply(
        *(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"namespace": namespace, "name": name},
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": {"app": name}},
                    "template": {
                        "metadata": {"labels": {"app": name}},
                        "spec": {"containers": containers},
                    },
                },
            }
            for namespace, name in sorted(owners)
        )
    )
    kubectl.api.close()


if __name__ == "__main__":
    main()

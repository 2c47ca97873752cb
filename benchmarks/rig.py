"""The servers and clients of the webhook benchmarks, pinned to one core each."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from app.tls.issuing import issue_authority, issue_serving_certificate
from app.tls.random_keys import RandomKeys
from tests.cluster.loopback_http import answers, request_json
from tests.cluster.processes import Process, free_ports
from tests.parts.locate import Part, require

ROOT = Path(__file__).parents[1]
REVIEW = ROOT.parent / "shared" / "data" / "admission-review-deployment.json"
SERVER_CORE, CLIENT_CORE = 0, 1
_READY_SECONDS = 120


def image_settings() -> dict[str, str]:
    """The malloc settings of the image."""
    return dict(re.findall(r"(MALLOC_\w+)=(\d+)", (ROOT / "Dockerfile").read_text()))


@dataclass(frozen=True, slots=True)
class Load:
    """The results of one run of the client."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test."""

    name: str
    url: str
    process: Process
    health_url: str = ""

    @property
    def resident_megabytes(self) -> float:
        """The resident memory of the process."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Rig:
    """A context manager for the certificates and the processes of one benchmark."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stack = ExitStack()
        self.authority = directory / "authority.pem"
        self._certificate, self._key = directory / "tls.crt", directory / "tls.key"

    def __enter__(self) -> Self:
        now = datetime.now(UTC)
        authority = issue_authority(RandomKeys(), now)
        leaf = issue_serving_certificate(RandomKeys(), authority, ("127.0.0.1",), now)
        self.authority.write_bytes(authority.certificate)
        self._certificate.write_bytes(leaf.certificate)
        self._key.write_bytes(leaf.private_key)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def limit_server(self) -> Server:
        """Starts the limit server."""
        [port] = free_ports(1)
        command = ["-m", "benchmarks.limit_server", "--port", port, *self._pair()]
        url = f"https://127.0.0.1:{port}/"
        process = self._start("limit", command, SERVER_CORE, lambda: answers(url, ca_file=self.authority))
        return Server("limit", url, process)

    def profile_server(self, workloads: int) -> str:
        """Starts a fake API server with the profiles of *workloads* workloads; returns its URL."""
        [port] = free_ports(1)
        command = ["-m", "benchmarks.api_server", "--port", port, "--workloads", workloads, *self._pair()]
        command += ["--authority", self.authority]
        url = f"http://127.0.0.1:{port}"
        probe = f"{url}/api/v1/namespaces/profiling/secrets"
        self._start("profiles", command, CLIENT_CORE, lambda: answers(probe))
        return url

    def small_cluster(self, workloads: int, answers_directory: Path) -> str:
        """Starts a fake Prometheus and API server of a small cluster; returns the URL of Prometheus."""
        [port] = free_ports(1)
        command = ["-m", "benchmarks.small_cluster", "--port", port, "--workloads", workloads, *self._pair()]
        command += ["--authority", self.authority, "--answers", answers_directory]
        url = f"http://127.0.0.1:{port}"
        ready = f"{url}/cluster"
        self._start("cluster", command, CLIENT_CORE, lambda: answers(ready))
        return url

    def webhook(self, profile_server: str, environment: dict[str, str] | None = None) -> Server:
        """Starts the webhook role with all profiles of *profile_server*."""
        settings = {"ROLE": "webhook", "LOG_LEVEL": "warning"} | (environment or {})
        return self._product("webhook", "app", profile_server, settings)

    def combined(self, cluster: str, environment: dict[str, str]) -> Server:
        """Starts both roles in one process, with one cycle after the other."""
        settings = {
            "ROLE": "combined",
            "PROMETHEUS_URL": cluster,
            "PROMETHEUS_TIMEOUT": "600",  # queries wait for the release
            "CERTIFICATE_PROVIDER": "cert-manager",
            "PROBE_ENABLED": "false",
            "BACKFILL_ENABLED": "false",
            "BACKGROUND_ROUTINE_UPDATE_TIME": "1",
        } | environment
        api_server = request_json(f"{cluster}/cluster")
        return self._product("combined", "benchmarks.stepping_program", api_server, settings)

    def _product(self, name: str, module: str, api_server: str, settings: dict[str, str]) -> Server:
        port, health = free_ports(2)
        settings = {
            "KUBECONFIG": str(self._kubeconfig(api_server)),
            "BIND_ADDRESS": "127.0.0.1",
            "WEBHOOK_PORT": str(port),
            "HEALTH_PORT": str(health),
            "SHUTDOWN_DELAY": "0",
        } | settings
        variables = [f"{name}={value}" for name, value in settings.items()]
        ready = f"http://127.0.0.1:{health}/readyz"
        process = self._start(name, ["-m", module, "serve"], SERVER_CORE, lambda: answers(ready), variables)
        return Server(name, f"https://127.0.0.1:{port}/mutate", process, f"http://127.0.0.1:{health}")

    def _pair(self) -> tuple[str, str, str, str]:
        return ("--certificate", str(self._certificate), "--key", str(self._key))

    def _kubeconfig(self, server: str) -> Path:
        path = self.directory / "kubeconfig"
        cluster = {"name": "here", "cluster": {"server": server}}
        context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
        user = {"name": "me", "user": {"token": "token"}}
        content = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "here"}
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | content))
        return path

    def _start(
        self,
        name: str,
        arguments: Sequence[object],
        core: int,
        ready: Callable[[], bool],
        variables: Sequence[str] = (),
    ) -> Process:
        image = [f"{name}={value}" for name, value in image_settings().items()]
        environment = ["env", f"PYTHONPATH={ROOT}", *image, *variables]
        pinned = ["taskset", "--cpu-list", str(core)]
        process = Process(name, [*environment, *pinned, sys.executable, *map(str, arguments)], self.directory)
        process.start(ready, _READY_SECONDS)
        self._stack.callback(process.stop)
        return process


def closed_loop(server: Server, *, seconds: float, connections: int = 16, review: Path = REVIEW) -> Load:
    """Sends reviews over kept-alive connections as fast as the server responds, from the client's core.

    Raises:
        RuntimeError: a review failed.
    """
    command = [
        *("taskset", "--cpu-list", str(CLIENT_CORE), require(Part.WRK)),
        *("--threads", "1", "--connections", str(connections), "--duration", f"{seconds:g}s"),
        *("--script", Path(__file__).with_name("latency.lua"), server.url, "--", review),
    ]
    output = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    results = json.loads(output.splitlines()[-1])
    if results["failed"]:
        raise RuntimeError(f"{results['failed']} reviews failed at {server.name}")
    return Load(results["requests"] / results["seconds"], results["p50_ms"], results["p99_ms"])

"""The processes of a release, as its Deployments describe them."""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.loopback_http import answers
from tests.cluster.processes import Process, free_ports

REPOSITORY = Path(__file__).parents[2]
READY_SECONDS = 60
# The command that runs the program, from its environment and its arguments.
Program = Callable[[Mapping[str, str], Sequence[str]], Sequence[str]]


def from_this_tree(environment: Mapping[str, str], arguments: Sequence[str]) -> Sequence[str]:
    """Runs this working tree with the Python of the tests."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return ["env", "--ignore-environment", *variables, sys.executable, "-m", "app", *arguments]


class ProductProcess:
    """One replica of one Deployment, with the token of the Deployment's service account.

    *settings* override those of the Deployment: replicas on one machine need different ports.
    """

    def __init__(
        self,
        deployment: dict[str, Any],
        control_plane: ControlPlane,
        directory: Path,
        replica: int = 0,
        settings: Mapping[str, str] | None = None,
        program: Program = from_this_tree,
    ) -> None:
        metadata, pod = deployment["metadata"], deployment["spec"]["template"]["spec"]
        self.name = f"{metadata['name']}-{replica}"
        [container] = pod["containers"]
        [port] = free_ports(1)
        kubeconfig = control_plane.kubeconfig_of(pod["serviceAccountName"], metadata["namespace"])
        fields = {"metadata.namespace": metadata["namespace"], "metadata.name": self.name}
        environment = {entry["name"]: _value(entry, fields) for entry in container["env"]} | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY),
            # Replaces the Pod's network and token for a process outside the cluster.
            "KUBECONFIG": str(kubeconfig),
            "BIND_ADDRESS": "127.0.0.1",
            "HEALTH_PORT": str(port),
            **(settings or {}),
        }
        self.environment = environment
        self.health_url = f"http://127.0.0.1:{port}"
        self._process = Process(self.name, program(environment, container["args"]), directory)

    @property
    def log(self) -> str:
        """The log so far."""
        return self._process.log.read_text()

    @property
    def is_running(self) -> bool:
        """False once the process has exited."""
        return self._process.pid is not None

    def start(self) -> None:
        """Starts the process and waits until it is ready."""
        self.launch()
        self.until_ready()

    def launch(self) -> None:
        """Starts the process without waiting."""
        self._process.launch()

    def until_ready(self) -> None:
        """Waits until /readyz succeeds."""
        self._process.until_ready(lambda: answers(f"{self.health_url}/readyz"), READY_SECONDS)

    def stop(self) -> None:
        """Sends SIGTERM and waits for the exit."""
        self._process.stop(grace_seconds=20)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal without waiting."""
        if pid := self._process.pid:
            os.kill(pid, number)

    def kill(self) -> None:
        """Sends SIGKILL and waits for the exit."""
        if pid := self._process.pid:
            os.kill(pid, signal.SIGKILL)
        self._process.stop()


def _value(entry: dict[str, Any], fields: dict[str, str]) -> str:
    """The variable's value, as the kubelet would set it."""
    if "value" in entry:
        return str(entry["value"])
    return fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]

"""The processes of a release, as the Pods of its Deployments describe them."""

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
    """One Pod of the product, with the token of its service account.

    *settings* override those of the Pod: replicas on one machine need different ports.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        pod: dict[str, Any],
        control_plane: ControlPlane,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        program: Program = from_this_tree,
    ) -> None:
        self.name = name
        [container] = pod["containers"]
        [port] = free_ports(1)
        kubeconfig = control_plane.kubeconfig_of(pod["serviceAccountName"], namespace)
        fields = {"metadata.namespace": namespace, "metadata.name": name}
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
        return self.log_file.read_text()

    @property
    def log_file(self) -> Path:
        """The file of the log."""
        return self._process.log

    @property
    def is_running(self) -> bool:
        """False once the process has exited."""
        return self._process.pid is not None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative after a signal, until the process is started again."""
        return self._process.exit_code

    @property
    def is_ready(self) -> bool:
        """True while /readyz succeeds."""
        return answers(f"{self.health_url}/readyz")

    def start(self) -> None:
        """Starts the process and waits until it is ready."""
        self.launch()
        self.until_ready()

    def launch(self) -> None:
        """Starts the process without waiting."""
        self._process.launch()

    def until_ready(self) -> None:
        """Waits until /readyz succeeds."""
        self._process.until_ready(lambda: self.is_ready, READY_SECONDS)

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

"""Child processes of a test: with a log file, a readiness check, and termination by process id.

`setpriv` makes the kernel kill a child when the thread that started it exits, so not even a killed test run
leaves one behind. Processes must be started from the main thread, or from one that stops them before it ends.
"""

import random
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.cluster.waiting import wait_until

SHOWN_BYTES = 3000
PORTS = (12_000, 30_000)
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


class ProcessError(Exception):
    """A child exited early or did not become ready; the message shows the end of its log."""


class Process:
    """A program that can be started and stopped repeatedly; `<name>.log` collects its output."""

    def __init__(self, name: str, command: Sequence[str | Path], directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = [*DIE_WITH_PARENT, *map(str, command)]
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs, else None."""
        return self._child.pid if self._child and self._child.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of a child that has exited by itself or after `ask_to_stop`, else None."""
        return self._child.poll() if self._child else None

    def start(self, ready: Callable[[], bool], within_seconds: float) -> None:
        """Starts the program and waits until `ready` returns True."""
        self.launch()
        self.until_ready(ready, within_seconds)

    def launch(self) -> None:
        """Starts the program; `until_ready` waits for it."""
        if self.pid:
            raise ProcessError(f"{self.name} is already running")
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C interrupts the parent alone, which then stops all in order
            )

    def until_ready(self, ready: Callable[[], bool], within_seconds: float) -> None:
        """Waits until `ready` returns True; raises ProcessError on exit or after *within_seconds*."""
        try:
            wait_until(lambda: self._has_ended() or ready(), within_seconds, f"{self.name} to be ready")
        except BaseException as error:
            self.stop(grace_seconds=0)
            if isinstance(error, TimeoutError):
                raise ProcessError(f"{error}\n{self._end_of_log()}") from error
            raise
        if self._child and self._has_ended():
            raise ProcessError(f"{self.name} ended with {self._child.returncode}\n{self._end_of_log()}")

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; `stop` waits for the exit."""
        if self._child:
            self._child.terminate()

    def stop(self, grace_seconds: float = 10) -> None:
        """Sends SIGTERM, and SIGKILL after *grace_seconds*; no effect if the program does not run."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def _has_ended(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def _end_of_log(self) -> str:
        return f"end of {self.log}:\n" + self.log.read_bytes()[-SHOWN_BYTES:].decode(errors="replace")


def free_ports(count: int) -> list[int]:
    """Free ports of 127.0.0.1 that no other test run gets from this function.

    They are below the range of outgoing connections, one of which could take a port before the listener
    starts. Until this process exits it holds the unused UDP port of the same number as a reservation.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(*PORTS)
        with (
            suppress(OSError),
            socket.socket() as listener,
            socket.socket(type=socket.SOCK_DGRAM) as reservation,
        ):
            reservation.bind(("127.0.0.1", port))
            listener.bind(("127.0.0.1", port))
            reservation.detach()
            ports.append(port)
    return ports

"""Child processes of a test: output in a log file, ready when a probe says so, ended by their own id.

`setpriv` makes the kernel kill a child when the thread that started it ends, so that not even a killed test
run leaves one behind. Start processes from the main thread.
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
    """A child ended early or did not become ready; the message shows the end of its log."""


class Process:
    """One program that can be started and stopped again and again; `<name>.log` collects its output."""

    def __init__(self, name: str, command: Sequence[str | Path], directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._command = [*DIE_WITH_PARENT, *map(str, command)]
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def start(self, ready: Callable[[], bool], within_seconds: float) -> None:
        """Starts the program and waits until `ready` answers True."""
        self.launch()
        self.until_ready(ready, within_seconds)

    def launch(self) -> None:
        """Starts the program; `until_ready` then waits for it."""
        if self.pid:
            raise ProcessError(f"{self.name} runs already")
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def until_ready(self, ready: Callable[[], bool], within_seconds: float) -> None:
        """Waits until `ready` answers True; a ProcessError where the program ends before, or takes longer."""
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
        """SIGTERM; `stop` then waits for the end."""
        if self._child:
            self._child.terminate()

    def stop(self, grace_seconds: float = 10) -> None:
        """SIGTERM, and SIGKILL where that was not enough; nothing where the program does not run."""
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
    """Ports of 127.0.0.1 that nothing listens on and that no other test run gets from here.

    They lie below those that systems give to outgoing connections, one of which might take a port between
    this call and the listener's start. Until this process ends it holds the UDP port of the same number,
    which nobody needs, as a sign to all others.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.socket() as listener, socket.socket(type=socket.SOCK_DGRAM) as sign:
            sign.bind(("127.0.0.1", port))
            listener.bind(("127.0.0.1", port))
            sign.detach()
            found.append(port)
    return found

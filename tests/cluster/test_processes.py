"""Ports of concurrent test runs are distinct, and Ctrl-C interrupts the parent of a process alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import processes

OTHER_PROCESS = """\
import sys
from tests.cluster import processes
processes.PORTS = (int(sys.argv[1]), int(sys.argv[2]))
print(*processes.free_ports(15), flush=True)
sys.stdin.read()
"""


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 60 ports this process gets 10 and 10 more, and another process 15 others, without any listener."""
    first = processes.free_ports(1)[0]
    monkeypatch.setattr(processes, "PORTS", (first, first + 60))
    own = [*processes.free_ports(10), *processes.free_ports(10)]

    command = [sys.executable, "-c", OTHER_PROCESS, str(first), str(first + 60)]
    other = subprocess.run(command, capture_output=True, text=True, check=True, input="").stdout.split()

    assert len({*own, *map(int, other)}) == 35


def test_a_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    """A terminal, which sends SIGINT to a process group of its session, does not reach the child."""
    child = processes.Process("sleep", ["sleep", "60"], tmp_path)
    child.launch()
    try:
        assert child.pid
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
    finally:
        child.stop()

    assert child.pid is None

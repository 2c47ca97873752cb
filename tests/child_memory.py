"""Runs a function in a child process, and measures by how much its memory grows at most.

The limit on the child's address space ends one that would take the machine's memory.
"""

import asyncio
import importlib
import inspect
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIMIT_BYTES = 6 * 2**30
_TIMEOUT_SECONDS = 240


@dataclass(frozen=True)
class Outcome:
    """What the function returned, the growth of the resident memory at its peak, and its time."""

    result: Any
    grown_mb: float
    seconds: float


def run_in_child(function: str, *arguments: object) -> Outcome:
    """The outcome of `module:name`, which takes and returns JSON; it may be a coroutine function.

    Memory and time are printed.
    """
    command = [sys.executable, "-m", __name__, function, json.dumps(arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    print(f"{function} {arguments}: {outcome.grown_mb:.0f} MB, {outcome.seconds:.2f} s: {outcome.result}")
    return outcome


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    resource.setrlimit(resource.RLIMIT_AS, (_LIMIT_BYTES, _LIMIT_BYTES))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins here
    before, started = _kilobytes("VmRSS"), time.monotonic()
    result = function(*json.loads(sys.argv[2]))
    if inspect.isawaitable(result):
        result = asyncio.run(_awaited(result))
    outcome = Outcome(result, (_kilobytes("VmHWM") - before) / 1024, time.monotonic() - started)
    print(json.dumps(vars(outcome)))


async def _awaited(work: Any) -> Any:
    return await work


if __name__ == "__main__":
    _main()

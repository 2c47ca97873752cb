"""A profiler process whose clock runs two hours per second, and which tests can kill.

Cycles run without a pause, and check-points are split into small shards, so a SIGKILL at any moment
interrupts a cycle or a write.
"""

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from app.profiler.cycle.loop import CyclePlan, CycleSchedule
from app.runtime.policies import cycle_policy
from app.runtime.profiler_role import ProfilerRole
from app.runtime.serving import serve
from app.settings.environment import read_settings

SPEED = 7200.0
_PERIOD_SECONDS = 0.05
_SHARD_BYTES = 1000
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


class AcceleratedProfiler:
    """A profiler forked from a process that has imported the program: 50 starts cost little more than 1."""

    def __init__(
        self, settings: Mapping[str, str], log: Path, start_seconds: float, origin_seconds: float
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.log = log
        self._child = context.Process(
            target=_run, args=(dict(settings), log, start_seconds, origin_seconds), daemon=True
        )

    def start(self) -> None:
        """Starts the process; its log file exists on return."""
        self.log.touch()
        self._child.start()

    def kill(self) -> None:
        """Sends SIGKILL; the process must still be running."""
        assert self._child.is_alive()
        self._child.kill()
        self._child.join()

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; `stop` waits for the exit."""
        self._child.terminate()

    def stop(self, grace_seconds: float = 10) -> None:
        """Sends SIGTERM, and SIGKILL after *grace_seconds*."""
        self._child.terminate()
        self._child.join(grace_seconds)
        self._child.kill()
        self._child.join()


def _run(settings: dict[str, str], log: Path, start_seconds: float, origin_seconds: float) -> None:
    """Runs the profiler with the environment *settings*; the kernel kills it when its parent exits."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(settings)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    serve_accelerated(start_seconds, origin_seconds)


def serve_accelerated(start_seconds: float, origin_seconds: float) -> None:
    """Serves with a clock that shows *origin_seconds* at the wall clock's *start_seconds* (Unix time)."""

    def clock() -> datetime:
        return datetime.fromtimestamp(origin_seconds + (time.time() - start_seconds) * SPEED, UTC)

    settings = read_settings({})
    policy = replace(cycle_policy(settings), shard_bytes=_SHARD_BYTES)
    plan = CyclePlan(policy, CycleSchedule(_PERIOD_SECONDS, clock=clock))
    serve(settings, partial(ProfilerRole, plan=plan))

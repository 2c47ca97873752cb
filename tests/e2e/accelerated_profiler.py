"""The profiler as served, on a clock that runs two hours a second, as processes that can be killed.

Cycles follow each other without a pause, and check-points are cut into small shards, so that wherever a
process is killed, something is under way.
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
    """A process, forked from one that has loaded the program: fifty starts cost little more than one."""

    def __init__(
        self, settings: Mapping[str, str], log: Path, began_seconds: float, origin_seconds: float
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.log = log
        self._child = context.Process(
            target=_run, args=(dict(settings), log, began_seconds, origin_seconds), daemon=True
        )

    def start(self) -> None:
        """Its log is there at once."""
        self.log.touch()
        self._child.start()

    def kill(self) -> None:
        """SIGKILL; it must not have ended by itself."""
        assert self._child.is_alive()
        self._child.kill()
        self._child.join()

    def ask_to_stop(self) -> None:
        """SIGTERM; `stop` then waits for the end."""
        self._child.terminate()

    def stop(self, grace_seconds: float = 10) -> None:
        """SIGTERM, and SIGKILL where that was not enough."""
        self._child.terminate()
        self._child.join(grace_seconds)
        self._child.kill()
        self._child.join()


def _run(settings: dict[str, str], log: Path, began_seconds: float, origin_seconds: float) -> None:
    """What the process does: *settings* are its whole environment, and it does not outlive its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(settings)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    serve_accelerated(began_seconds, origin_seconds)


def serve_accelerated(began_seconds: float, origin_seconds: float) -> None:
    """Serve; at the wall clock's *began_seconds* its own clock showed *origin_seconds*, both in Unix time."""

    def clock() -> datetime:
        return datetime.fromtimestamp(origin_seconds + (time.time() - began_seconds) * SPEED, UTC)

    settings = read_settings({})
    policy = replace(cycle_policy(settings), shard_bytes=_SHARD_BYTES)
    plan = CyclePlan(policy, CycleSchedule(_PERIOD_SECONDS, clock=clock))
    serve(settings, partial(ProfilerRole, plan=plan))

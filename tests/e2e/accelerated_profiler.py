"""`python -m tests.e2e.accelerated_profiler`: the profiler as served, on a clock that runs an hour a second.

Arguments: the wall clock's time at which its own clock showed ORIGIN, and ORIGIN (Unix seconds). Cycles
follow each other without a pause, and check-points are cut into small shards, so that wherever it is killed,
something is under way.
"""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from app.profiler.cycle.loop import CyclePlan, CycleSchedule
from app.runtime.policies import cycle_policy
from app.runtime.profiler_role import ProfilerRole
from app.runtime.serving import serve
from app.settings.environment import read_settings

SPEED = 3600.0
_PERIOD_SECONDS = 0.05
_SHARD_BYTES = 1000


def main(began_seconds: float, origin_seconds: float) -> None:
    """Serve with the settings of the environment."""

    def clock() -> datetime:
        return datetime.fromtimestamp(origin_seconds + (time.time() - began_seconds) * SPEED, UTC)

    settings = read_settings({})
    policy = replace(cycle_policy(settings), shard_bytes=_SHARD_BYTES)
    plan = CyclePlan(policy, CycleSchedule(_PERIOD_SECONDS, clock=clock))
    serve(settings, partial(ProfilerRole, plan=plan))


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))

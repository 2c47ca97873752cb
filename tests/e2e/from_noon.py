"""The program with a profiler whose clock shows noon (UTC) when the tests begin.

A value falls only in the hour after midnight. A test that waits for a lower one would fail in that hour if
the cycles had the wall clock, which all else has.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from app.runtime.profiler_role import ProfilerRole, cycle_plan
from app.runtime.serving import serve
from app.settings.environment import read_settings

_DAY_SECONDS, _NOON_SECONDS = 86_400, 43_200
# By how much the profiler's clock is behind, in every process of a run.
BEHIND_SECONDS = int(time.time() - _NOON_SECONDS) % _DAY_SECONDS


def from_noon(environment: Mapping[str, str], _arguments: Sequence[str]) -> Sequence[str]:
    """The command that serves the role of the environment."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    module = [sys.executable, "-m", __name__, str(BEHIND_SECONDS)]
    return ["env", "--ignore-environment", *variables, *module]


def serve_behind(seconds: int) -> None:
    """Serves with cycles whose clock is *seconds* behind."""
    settings = read_settings({})
    plan = cycle_plan(settings)
    clock = replace(plan.schedule, clock=lambda: datetime.now(UTC) - timedelta(seconds=seconds))
    serve(settings, partial(ProfilerRole, plan=replace(plan, schedule=clock)))


if __name__ == "__main__":
    serve_behind(int(sys.argv[1]))

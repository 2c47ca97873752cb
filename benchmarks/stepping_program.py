"""The program with a fake clock for its cycles: each cycle finds one more step than the previous one.

The clock starts at the same time in each run, so that the queries are the same too.
"""

from datetime import datetime, timedelta
from functools import partial

from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, step_time
from app.profiler.cycle.collector import GRACE_SECONDS
from app.profiler.cycle.loop import CyclePlan, CycleSchedule
from app.runtime.policies import cycle_policy
from app.runtime.profiler_role import ProfilerRole
from app.runtime.serving import serve
from app.settings.environment import read_settings

_FIRST_STEP = 20_520 * STEPS_PER_DAY + STEPS_PER_DAY // 2  # a noon
_CALLS_OF_A_CYCLE = 2  # at its start and at its end


class SteppingClock:
    """A clock that advances by a part of a step at each call."""

    def __init__(self) -> None:
        self._now = step_time(_FIRST_STEP) + timedelta(seconds=GRACE_SECONDS)

    def __call__(self) -> datetime:
        """Returns the time, and advances the clock."""
        now = self._now
        self._now = now + timedelta(seconds=STEP_SECONDS / _CALLS_OF_A_CYCLE)
        return now


def main() -> None:
    """Serve with the settings of the environment."""
    settings = read_settings({})
    schedule = CycleSchedule(settings.background_routine_update_time, clock=SteppingClock())
    serve(settings, partial(ProfilerRole, plan=CyclePlan(cycle_policy(settings), schedule)))


if __name__ == "__main__":
    main()

"""`python -m tests.e2e.accelerated_profiler`: the profiler as served, on a clock that runs an hour a second.

Arguments: the wall clock's time at which its own clock showed ORIGIN, and ORIGIN (Unix seconds). Cycles
follow each other without a pause, and check-points are cut into small pieces, so that wherever it is killed,
something is under way.
"""

import sys
import time
from datetime import UTC, datetime
from typing import Any

from app.profiler import checkpoints
from app.runtime import profiler_role
from app.runtime.serving import serve
from app.settings.environment import read_settings

SPEED = 3600.0
_PAUSE_SECONDS = 0.05
_PIECE_BYTES = 1000


def main(began_seconds: float, origin_seconds: float) -> None:
    """Serve with the settings of the environment."""
    repeat_cycles = profiler_role.repeat_cycles

    def clock() -> datetime:
        return datetime.fromtimestamp(origin_seconds + (time.time() - began_seconds) * SPEED, UTC)

    async def without_pause(cycle: Any, namespaces: Any, _period_seconds: float, metrics: Any) -> None:
        await repeat_cycles(cycle, namespaces, _PAUSE_SECONDS, metrics, clock)

    profiler_role.repeat_cycles = without_pause  # type: ignore[assignment]
    checkpoints._PLANNED_BYTES = _PIECE_BYTES
    serve(read_settings({}))


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))

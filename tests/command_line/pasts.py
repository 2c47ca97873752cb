"""History files of a few workloads, long enough for a backtest."""

from pathlib import Path

import numpy as np

from app.sources.history_file import RecordedContainer, write_history_file

FIRST_MIDNIGHT = 20_000 * 86_400
STEPS_PER_DAY = 288
GIBIBYTE = 2**30


def write_past(path: Path, days: int, *, requests: bool = True, steps: int | None = None) -> Path:
    """Write `shop/web` with two replicas (1 core, bursts to 2), and `shop/database` with half their CPU.

    Only the first *steps* of the days, if given.
    """
    times = FIRST_MIDNIGHT + 300 * np.arange(1, (steps or days * STEPS_PER_DAY) + 1)
    bursts = np.where(np.arange(len(times)) % STEPS_PER_DAY < 10, 2.0, 1.0)
    memory = np.full(len(times), float(GIBIBYTE))
    request_values = (4.0, 2.0 * GIBIBYTE) if requests else (np.nan, np.nan)
    web = "Deployment/shop/web"
    containers = [
        RecordedContainer(
            "shop/database-0/main", times, bursts / 2, memory, "StatefulSet/shop/database", *request_values
        ),
        *(
            RecordedContainer(f"shop/web-{number}/server", times, bursts, memory, web, *request_values)
            for number in range(2)
        ),
    ]
    write_history_file(path, containers)
    return path

"""Usage of containers that a Pod makes up."""

import numpy as np

from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, ContainerSamples, PodContainer, StepRange
from app.history.usage_history import UsageHistory
from app.history.usage_limit import drop_over_share

FIRST_STEP = 20_000 * STEPS_PER_DAY + 1


def fold(
    history: UsageHistory,
    containers: dict[tuple[str, str], list[str]],
    step: int,
    resource: Resource = Resource.CPU,
) -> None:
    """Fold one sample of each of the containers of these workloads, by namespace and name."""
    rows = [
        PodContainer(*workload, container) for workload, names in containers.items() for container in names
    ]
    values = np.full((len(rows), 1), 0.5)
    steps = StepRange(FIRST_STEP + step, FIRST_STEP + step)
    history.fold(ContainerSamples(resource, steps, tuple(rows), values, 0), Workload)


def flood(per_step: int, steps: int, max_bytes: int) -> dict[str, int]:
    """The containers of each namespace after *steps*, in each of which a Pod has *per_step* new ones."""
    history = UsageHistory(timeslots=4, retained_days=15)
    for step in range(steps):
        claimed = [f"c{step}-{number}" for number in range(per_step)]
        fold(history, {("shop", "web"): ["main"], ("evil", "miner"): claimed}, step)
        drop_over_share(history.state, max_bytes)
    names = [workload.namespace for workload, _ in history.state.series.index]
    return {name: names.count(name) for name in sorted({*names})}

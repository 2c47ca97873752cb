"""Usage of one container, built from days."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.backtest.usage import Container, Lanes, Usage
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY

FIRST_DAY = 20_000
MEBIBYTE = 2.0**20
GIBIBYTE = 2.0**30
WEB = Container(Workload("shop", "web"), "main")

Day = Sequence[float] | NDArray[np.float64] | float


def day(*parts: tuple[int, float]) -> NDArray[np.float64]:
    """A day of consecutive (steps, value) parts; the rest of the day is NaN."""
    values = np.concatenate([np.full(steps, value) for steps, value in parts])
    return np.concatenate([values, np.full(STEPS_PER_DAY - len(values), np.nan)])


def lane(days: Sequence[Day]) -> NDArray[np.float64]:
    """A lane [days, steps]; a single number is the value of a whole day."""
    return np.array([np.broadcast_to(np.asarray(values, dtype=float), STEPS_PER_DAY) for values in days])


def lanes(*replicas: Sequence[Day]) -> Lanes:
    """One series with the given replicas."""
    values = np.stack([lane(days) for days in replicas]).astype(np.float32)
    return Lanes(np.zeros(len(values), dtype=np.int64), values, 1)


def usage(
    cpu: Sequence[Day], memory: Sequence[Day] | float = GIBIBYTE, requests: tuple[float, float] | None = None
) -> Usage:
    """One container with one replica; a single number for *memory* applies to all days."""
    memory_days = [memory] * len(cpu) if isinstance(memory, float) else memory
    amounts = requests or (np.nan, np.nan)
    return Usage(
        FIRST_DAY,
        (WEB,),
        {Resource.CPU: lanes(cpu), Resource.MEMORY: lanes(memory_days)},
        {resource: np.array([amount]) for resource, amount in zip(Resource, amounts, strict=True)},
    )


def vpa_edge(first: float, sample: float) -> float:
    """The end of VPA's bucket for *sample*; each bucket is 5 % wider than the previous one."""
    edge, width = 0.0, first
    while edge <= sample:
        edge, width = edge + width, width * 1.05
    return edge

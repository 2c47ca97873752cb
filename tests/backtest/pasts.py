"""Pasts of one container each, made of whole days."""

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
    """(steps, value) after one another; NaN for the rest of the day."""
    values = np.concatenate([np.full(steps, value) for steps, value in parts])
    return np.concatenate([values, np.full(STEPS_PER_DAY - len(values), np.nan)])


def lane(days: Sequence[Day]) -> NDArray[np.float64]:
    """[days, steps]; one number stands for a whole day."""
    return np.array([np.broadcast_to(np.asarray(each, dtype=float), STEPS_PER_DAY) for each in days])


def lanes(*replicas: Sequence[Day]) -> Lanes:
    """One series of so many replicas."""
    values = np.stack([lane(days) for days in replicas]).astype(np.float32)
    return Lanes(np.zeros(len(values), dtype=np.int64), values, 1)


def usage(
    cpu: Sequence[Day], memory: Sequence[Day] | float = GIBIBYTE, requests: tuple[float, float] | None = None
) -> Usage:
    """One container with one replica; *memory* is the same on all days where it is one number."""
    held = [memory] * len(cpu) if isinstance(memory, float) else memory
    asked = requests or (np.nan, np.nan)
    return Usage(
        FIRST_DAY,
        (WEB,),
        {Resource.CPU: lanes(cpu), Resource.MEMORY: lanes(held)},
        {resource: np.array([amount]) for resource, amount in zip(Resource, asked, strict=True)},
    )

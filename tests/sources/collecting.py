"""Joins all results that a source yields for one call."""

from collections.abc import AsyncIterator
from typing import TypeVar

import numpy as np

from app.history.samples import ContainerSamples, PodContainer, StepRange

T = TypeVar("T")


async def only(results: AsyncIterator[T]) -> T:
    """The only yielded value."""
    (result,) = [result async for result in results]
    return result


async def usage(results: AsyncIterator[list[ContainerSamples]]) -> ContainerSamples:
    """The days of all results as one; a container of any result has a row over all days."""
    days = [day async for result in results for day in result]
    steps = StepRange(min(day.steps.first for day in days), max(day.steps.last for day in days))
    rows: dict[PodContainer, int] = {}
    for day in days:
        for container in day.containers:
            rows.setdefault(container, len(rows))
    values = np.full((len(rows), len(steps)), np.nan)
    for day in days:
        first = day.steps.first - steps.first
        for container, samples in zip(day.containers, day.values, strict=True):
            values[rows[container], first : first + len(day.steps)] = samples
    return ContainerSamples(days[0].resource, steps, tuple(rows), values, sum(day.unusable for day in days))

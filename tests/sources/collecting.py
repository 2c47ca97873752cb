"""All that a source gives for one question, put together."""

from collections.abc import AsyncIterator
from typing import TypeVar

import numpy as np

from app.history.samples import ContainerSamples, PodContainer, StepRange

T = TypeVar("T")


async def only(answers: AsyncIterator[T]) -> T:
    """The one answer that there is."""
    (answer,) = [each async for each in answers]
    return answer


async def usage(answers: AsyncIterator[list[ContainerSamples]]) -> ContainerSamples:
    """The days of all answers as one; a container that is in one of them is in all."""
    days = [day async for answer in answers for day in answer]
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

"""Tasks that end together: one error, and nothing that goes on behind it."""

import asyncio

import pytest

from app.errors import ClusterError
from app.task_group import task_group


async def test_the_first_error_ends_the_others() -> None:
    """The error is no group, even from a group in a group; the other task was cancelled and has ended."""
    ended: list[str] = []

    async def fails() -> None:
        async with task_group() as tasks:
            tasks.create_task(refused())

    async def refused() -> None:
        raise ClusterError("forbidden")

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("waits")

    async def both() -> None:
        async with task_group() as tasks:
            tasks.create_task(waits())
            tasks.create_task(fails())

    with pytest.raises(ClusterError, match="forbidden"):
        await both()

    assert ended == ["waits"]


async def test_results_without_an_error() -> None:
    """All tasks have their results at the end of the block."""
    async with task_group() as tasks:
        found = [tasks.create_task(asyncio.sleep(0, number)) for number in range(3)]

    assert [task.result() for task in found] == [0, 1, 2]

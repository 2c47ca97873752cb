"""A TaskGroup for parts of one answer: its error is that of the first part that failed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that end together: the first error cancels the others, and is raised when all have ended.

    Unlike `asyncio.gather`, nothing goes on behind an error; unlike a plain TaskGroup, callers get the error
    itself, not a group of one.
    """
    first: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        first = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    if first:
        raise first

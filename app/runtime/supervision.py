"""Named background tasks: the first that ends, by fault or not, ends the process; the cluster restarts it.

So a task that runs for the process' life is either given to `supervise` or awaited by one that is: a process
that answers `/livez` has all of them.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from app.errors import ProfilerError

log = structlog.get_logger(__name__)
Tasks = Mapping[str, Coroutine[Any, Any, None]]


async def supervise(tasks: Tasks, stopping: asyncio.Event) -> None:
    """Run *tasks* until *stopping* is set; then cancel them and wait for each to end.

    Raises:
        ProfilerError: a task ended by itself; its own fault, if it had one, is the cause.
    """
    running = {asyncio.create_task(work, name=name) for name, work in tasks.items()}
    stop = asyncio.create_task(stopping.wait(), name="stop")
    try:
        await asyncio.wait({*running, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            _raise_fault(next(task for task in running if task.done()))
    finally:
        for task in (*running, stop):
            task.cancel()
        await asyncio.gather(*running, stop, return_exceptions=True)


def _raise_fault(task: asyncio.Task[None]) -> None:
    fault = task.exception() if not task.cancelled() else None
    while isinstance(fault, BaseExceptionGroup):  # of a group of tasks; its own text says nothing
        fault = fault.exceptions[0]
    log.error("task_ended", task=task.get_name(), fault=repr(fault))
    reason = f": {str(fault) or repr(fault)}" if fault else " without a fault"
    raise ProfilerError(f"the task '{task.get_name()}' ended{reason}") from fault

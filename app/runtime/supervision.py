"""Supervision of named tasks: if one terminates, the process terminates, and the kubelet restarts it.

Each task with the lifetime of the process is passed to `supervise` or awaited by such a task: in a process
that responds to `/livez`, all of them run.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from app.errors import ProfilerError

log = structlog.get_logger(__name__)
Tasks = Mapping[str, Coroutine[Any, Any, None]]


async def supervise(tasks: Tasks, stopping: asyncio.Event) -> None:
    """Run *tasks* until *stopping* is set; then cancel them and wait until all have terminated.

    Raises:
        ProfilerError: a task terminated before; its exception, if any, is the cause.
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
    while isinstance(fault, BaseExceptionGroup):  # from a TaskGroup; its own text has no details
        fault = fault.exceptions[0]
    log.error("task_ended", task=task.get_name(), fault=repr(fault))
    reason = f": {str(fault) or repr(fault)}" if fault else " without an error"
    raise ProfilerError(f"the task '{task.get_name()}' terminated{reason}") from fault

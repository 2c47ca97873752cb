"""The first task that terminates ends the run; a stop cancels all tasks and waits for them."""

import asyncio
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest

from app.errors import ProfilerError, SourceError
from app.kubernetes.client import open_cluster
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector
from app.runtime.supervision import supervise
from tests.kubernetes.fake_api_server import FakeApiServer, listed, thing


class Worker:
    """Runs until it is cancelled, and then needs a moment to clean up."""

    def __init__(self) -> None:
        self.started = False
        self.ended = False

    async def run(self) -> None:
        """The task."""
        self.started = True
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            self.ended = True


async def test_a_task_that_raises_ends_the_run_and_is_named() -> None:
    """The fault is the cause and its text is in the message; the other task was cancelled and awaited."""
    fault = SourceError("Timeout", "no answer in 60 s")
    other = Worker()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise fault

    with pytest.raises(ProfilerError, match="the task 'profiler' terminated: no answer in 60 s") as raised:
        await supervise({"profiler": fails(), "webhook": other.run()}, asyncio.Event())

    assert raised.value.__cause__ is fault
    assert (other.started, other.ended) == (True, True)


async def test_a_fault_without_a_text_is_named_by_its_type() -> None:
    """`TimeoutError()` has an empty text."""

    async def fails() -> None:
        raise TimeoutError

    with pytest.raises(ProfilerError, match=r"the task 'watch' terminated: TimeoutError\(\)"):
        await supervise({"watch": fails()}, asyncio.Event())


async def test_a_fault_in_nested_task_groups_ends_the_run_and_is_named() -> None:
    """A leader's tasks are a group that contains the group of its watches; the text is that of the fault."""
    fault, beside = SourceError("Timeout", "no answer in 60 s"), Worker()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise fault

    async def leads(*work: Coroutine[Any, Any, None]) -> None:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)

    with pytest.raises(ProfilerError, match=r"^the task 'profiler' terminated: no answer in 60 s$") as raised:
        await supervise({"profiler": leads(leads(fails()), beside.run())}, asyncio.Event())

    assert raised.value.__cause__ is fault
    assert beside.ended


async def test_a_watch_whose_receiver_fails_ends_the_run(tmp_path: Path) -> None:
    """A watch survives every error of an API server, but not a defect in the sink of its events."""

    class Defect:
        def replace(self, _objects: Iterable[Object], /) -> None:
            raise KeyError("metadata")

        upsert = delete = replace

    async with FakeApiServer() as server, open_cluster(server.kubeconfig(tmp_path)) as client:
        server.on("GET", "/api/v1/pods", listed(thing("a")))
        watch = Reflector(client, ListOptions("/api/v1/pods"), Defect())
        with pytest.raises(ProfilerError, match="the task 'watch of pods' terminated: 'metadata'"):
            await supervise({"watch of pods": watch.run()}, asyncio.Event())


async def test_a_task_that_returns_ends_the_run_and_is_named() -> None:
    """A task that returns ends the run, even without a fault."""
    other = Worker()

    async def returns() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ProfilerError, match="the task 'health' terminated without an error"):
        await supervise({"health": returns(), "webhook": other.run()}, asyncio.Event())

    assert other.ended


async def test_a_stop_cancels_every_task_and_waits_for_it() -> None:
    """Both tasks started and cleaned up, and the run ends without a fault."""
    workers, stopping = (Worker(), Worker()), asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stopping.set)

    await supervise({"one": workers[0].run(), "two": workers[1].run()}, stopping)

    assert [(worker.started, worker.ended) for worker in workers] == [(True, True)] * 2


async def test_a_cancelled_run_cancels_its_tasks() -> None:
    """When the cancellation is complete, every task has ended."""
    worker = Worker()
    run = asyncio.create_task(supervise({"one": worker.run()}, asyncio.Event()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run
    assert worker.ended


async def test_a_task_that_fails_while_it_stops_does_not_keep_the_others() -> None:
    """After a request to stop, the run ends without a fault."""
    worker, stopping = Worker(), asyncio.Event()

    async def fails_on_stop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise SourceError("Closing", "the connection was lost")

    asyncio.get_running_loop().call_later(0.01, stopping.set)

    await supervise({"fails": fails_on_stop(), "works": worker.run()}, stopping)

    assert worker.ended

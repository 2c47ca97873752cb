"""A client that sends the recorded review at a fixed rate over kept-alive connections (open loop)."""

import asyncio
import gc
import ssl
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import aiohttp

from benchmarks.rig import REVIEW, Server

_CONNECTIONS = 16
_OPENING_SECONDS = 1  # results of this time are dropped, while the connections open


@dataclass(frozen=True, slots=True)
class Answered:
    """A review: when it was due (Unix time), and the time from then to its response."""

    due_at: float
    milliseconds: float


def p99_ms(answered: Iterable[Answered]) -> float:
    """The 99th percentile of the response times."""
    return quantiles((review.milliseconds for review in answered), n=100)[98]


class Reviews:
    """A client of one server; raises if a review fails."""

    def __init__(self, server: Server, authority: Path, rate: float) -> None:
        self._url = server.url
        self._tls = ssl.create_default_context(cafile=authority)
        self._rate = rate
        self._body = REVIEW.read_bytes()

    def during(self, seconds: float) -> list[Answered]:
        """Sends reviews for *seconds*."""
        return self.until(asyncio.sleep(seconds + _OPENING_SECONDS))

    def until(self, end: Coroutine[object, object, None]) -> list[Answered]:
        """Sends reviews until *end* completes."""
        gc.collect()
        gc.disable()  # garbage collection would delay the client
        try:
            return asyncio.run(self._run(end))
        finally:
            gc.enable()

    async def _run(self, end: Coroutine[object, object, None]) -> list[Answered]:
        answered: list[Answered] = []
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            ending = group.create_task(end)
            started, number = time.perf_counter(), 0
            while not ending.done():
                due = started + number / self._rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                group.create_task(self._send(session, due, answered))
                number += 1
        return [review for review in answered if review.due_at > answered[0].due_at + _OPENING_SECONDS]

    async def _send(self, session: aiohttp.ClientSession, due: float, answered: list[Answered]) -> None:
        due_at = time.time() + due - time.perf_counter()
        headers = {"Content-Type": "application/json"}
        async with session.post(self._url, data=self._body, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()
        answered.append(Answered(due_at, (time.perf_counter() - due) * 1000))

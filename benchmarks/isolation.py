"""The webhook's tail while profiles change, beside its tail while nothing happens: `make bench-isolation`.

A fixed number of reviews a second is sent whatever the answers take (open loop); rounds in which nothing
changes and rounds in which 10,000 profiles change within a minute follow each other.
"""

import argparse
import asyncio
import gc
import os
import ssl
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median, quantiles

import aiohttp

from benchmarks.rig import CLIENT_CORE, REVIEW, Rig, Server

_CONNECTIONS = 16
_WARM_UP_SECONDS = 3
_CHANGES_A_MINUTE = 10_000


def main() -> None:
    """Print one line per round, and the ratio of the medians as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--workloads", type=int, default=10_000)
    given = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    with tempfile.TemporaryDirectory(prefix="bench-isolation-") as directory, Rig(Path(directory)) as rig:
        profiles = rig.profile_server(given.workloads)
        webhook = rig.webhook(profiles)
        client = Reviews(webhook, rig.authority, given.rate)
        client.p99_ms(_WARM_UP_SECONDS)
        print(f"{given.rate:g} reviews/s, {given.workloads} workloads; changes: {_CHANGES_A_MINUTE} a minute")
        tails: dict[str, list[float]] = {"idle": [], "changing": []}
        for number in range(1, given.rounds + 1):
            for state, measured in tails.items():
                if state == "changing":
                    _change(profiles, given.seconds)
                measured.append(client.p99_ms(given.seconds))
                print(f"round {number}   {state:<9} p99 {measured[-1]:6.2f} ms", flush=True)
    idle, changing = median(tails["idle"]), median(tails["changing"])
    print(f"p99 while changing / idle: {changing / idle:.2f}")


def _change(profiles: str, seconds: float) -> None:
    count = round(_CHANGES_A_MINUTE / 60 * seconds)
    request = urllib.request.Request(f"{profiles}/changes?count={count}&seconds={seconds:g}", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


class Reviews:
    """The recorded review at a fixed pace over kept-alive connections."""

    def __init__(self, server: Server, authority: Path, rate: float) -> None:
        self._url = server.url
        self._tls = ssl.create_default_context(cafile=authority)
        self._rate = rate
        self._body = REVIEW.read_bytes()

    def p99_ms(self, seconds: float) -> float:
        """The 99th percentile of the times from the moment at which a review was due; raises on a failure."""
        gc.collect()
        gc.disable()  # the client's own pauses are not the server's
        try:
            return quantiles(asyncio.run(self._run(seconds)), n=100)[98]
        finally:
            gc.enable()

    async def _run(self, seconds: float) -> list[float]:
        times: list[float] = []
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            started = time.perf_counter()
            for number in range(int(seconds * self._rate)):
                due = started + number / self._rate
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                group.create_task(self._send(session, due, times))
        return times[len(times) // 20 :]  # the first ones open the connections

    async def _send(self, session: aiohttp.ClientSession, due: float, times: list[float]) -> None:
        headers = {"Content-Type": "application/json"}
        async with session.post(self._url, data=self._body, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()
        times.append((time.perf_counter() - due) * 1000)


if __name__ == "__main__":
    main()

"""Tail latency of both roles in one process during whole cycles, compared with the idle process.

A round is a process that starts without check-points. It is idle until Prometheus is released. Then the first
cycle reads all days of history and writes every profile, and each further cycle reads one more step.
"""

import asyncio
import json
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from time import time

from benchmarks.paced_reviews import Answered, Reviews, p99_ms
from benchmarks.replayed_answers import REPLICAS
from benchmarks.rig import Rig

SIZES = (100, 1_000)
ADVISED_P99_MS = 100.0  # the target that Gatekeeper documents
_FURTHER_CYCLES = 10
_TIMEOUT_MS = 3_000  # of the API server, as in the chart
_POLL_SECONDS = 0.2
_MAX_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Cycle:
    """Start and end of a cycle, in Unix time."""

    start: float
    end: float

    def select(self, answered: Iterable[Answered]) -> list[Answered]:
        """The reviews that were due during the cycle."""
        return [review for review in answered if self.start <= review.due_at <= self.end]


@dataclass(frozen=True, slots=True)
class Round:
    """The reviews of each state, and the durations of the cycles."""

    idle: list[Answered]
    first: list[Answered]
    further: list[Answered]
    first_seconds: float
    further_seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Combined:
    """The results at one size: medians of the rounds, and the longest response."""

    workloads: int
    idle_p99_ms: float
    first_p99_ms: float
    further_p99_ms: float
    longest_ms: float
    late: float
    first_seconds: float
    further_seconds: float
    megabytes: float

    @property
    def is_advised(self) -> bool:
        """True if the p99 during each cycle is at most `ADVISED_P99_MS`."""
        return max(self.first_p99_ms, self.further_p99_ms) <= ADVISED_P99_MS

    def __str__(self) -> str:
        return (
            f"{self.workloads:>9,}{self.workloads * REPLICAS:>8,}{self.idle_p99_ms:>10.1f}"
            f"{self.first_p99_ms:>10.1f}{self.further_p99_ms:>10.1f}{self.longest_ms:>10.0f}{self.late:>8.1%}"
            f"{self.first_seconds:>9.1f}{self.further_seconds:>9.2f}{self.megabytes:>8.0f}"
        )


HEAD = (
    f"{'workloads':>9}{'Pods':>8}{'idle p99':>10}{'first p99':>10}{'next p99':>10}{'longest':>10}{'> 3 s':>8}"
    f"{'first s':>9}{'next s':>9}{'MB':>8}"
)


def measure(workloads: int, *, rounds: int, seconds: float, rate: float, answers: Path) -> Combined:
    """Measures *rounds* rounds at one size, after a round that writes Prometheus' answers to disk."""
    _prepare(workloads, answers)
    results = [_round(workloads, seconds, rate, answers) for _ in range(rounds)]
    busy = [review.milliseconds for result in results for review in (*result.first, *result.further)]
    return Combined(
        workloads,
        median(p99_ms(result.idle) for result in results),
        median(p99_ms(result.first) for result in results),
        median(p99_ms(result.further) for result in results),
        max(busy),
        sum(milliseconds > _TIMEOUT_MS for milliseconds in busy) / len(busy),
        median(result.first_seconds for result in results),
        median(result.further_seconds for result in results),
        max(result.megabytes for result in results),
    )


def _prepare(workloads: int, answers: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-combined-") as name, Rig(Path(name)) as rig:
        cluster = rig.small_cluster(workloads, answers)
        _release(cluster)
        log = rig.combined(cluster, _FAST).process.log
        asyncio.run(_wait_for_cycles(log, 1 + _FURTHER_CYCLES))


def _round(workloads: int, seconds: float, rate: float, answers: Path) -> Round:
    with tempfile.TemporaryDirectory(prefix="bench-combined-") as name, Rig(Path(name)) as rig:
        cluster = rig.small_cluster(workloads, answers)
        server = rig.combined(cluster, _FAST)
        client = Reviews(server, rig.authority, rate)
        client.during(seconds / 4)
        idle = client.during(seconds)
        released_at = time() + 1
        answered = client.until(_run_cycles(released_at, cluster, server.process.log))
        megabytes = server.resident_megabytes
        first, *further = _cycles(server.process.log)
    first = Cycle(max(first.start, released_at), first.end)
    return Round(
        idle,
        first.select(answered),
        [review for cycle in further for review in cycle.select(answered)],
        first.end - first.start,
        median(cycle.end - cycle.start for cycle in further),
        megabytes,
    )


_FAST = {"PROFILE_WRITE_RATE": "1000"}


async def _run_cycles(start: float, cluster: str, log: Path) -> None:
    await asyncio.sleep(start - time())
    await asyncio.to_thread(_release, cluster)
    await _wait_for_cycles(log, 1 + _FURTHER_CYCLES)


async def _wait_for_cycles(log: Path, count: int) -> None:
    async with asyncio.timeout(_MAX_SECONDS):
        while len(list(_cycles(log))) < count:  # noqa: ASYNC110 - polls a file
            await asyncio.sleep(_POLL_SECONDS)


def _release(cluster: str) -> None:
    request = urllib.request.Request(f"{cluster}/release", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


def _cycles(log: Path) -> Iterator[Cycle]:
    """The finished cycles in the log of the process."""
    for line in log.read_text().splitlines(keepends=True):
        if line.endswith("\n") and '"event": "cycle_finished"' in line:
            entry = json.loads(line)
            end = datetime.fromisoformat(entry["timestamp"]).timestamp()
            yield Cycle(end - entry["seconds"], end)


def advice(results: Sequence[Combined]) -> str:
    """The largest size at which the p99 during cycles is advised."""
    advised = [result.workloads for result in results if result.is_advised]
    size = f"up to {max(advised):,} workloads" if advised else "at none of these sizes"
    return f"combined: p99 during each cycle at most {ADVISED_P99_MS:g} ms {size}"

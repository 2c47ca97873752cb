"""The tail of both roles in one process while whole cycles run, beside its tail while nothing happens.

A round is a process that begins without check-points: idle until Prometheus is released, then the first
cycle, which reads all days of history and writes every profile, then cycles that each find one step more.
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
ADVISED_P99_MS = 100.0  # what Gatekeeper promises its own users
_FURTHER_CYCLES = 10
_TIMEOUT_MS = 3_000  # the chart's: API servers wait no longer
_LOOK_SECONDS = 0.2
_LONGEST_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Cycle:
    """When a cycle ran (Unix time)."""

    begin: float
    end: float

    def of(self, answered: Iterable[Answered]) -> list[Answered]:
        """The reviews that were due in it."""
        return [each for each in answered if self.begin <= each.due_at <= self.end]


@dataclass(frozen=True, slots=True)
class Round:
    """The reviews of each state, and how long the cycles took."""

    idle: list[Answered]
    first: list[Answered]
    further: list[Answered]
    first_seconds: float
    further_seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Combined:
    """What was measured at one size: medians over the rounds, and the worst of all."""

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
        """True where no cycle disturbs much."""
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
    """Rounds at one size; one more before them writes the answers to disk."""
    _prepare(workloads, answers)
    measured = [_round(workloads, seconds, rate, answers) for _ in range(rounds)]
    busy = [each.milliseconds for one in measured for each in (*one.first, *one.further)]
    return Combined(
        workloads,
        median(p99_ms(each.idle) for each in measured),
        median(p99_ms(each.first) for each in measured),
        median(p99_ms(each.further) for each in measured),
        max(busy),
        sum(each > _TIMEOUT_MS for each in busy) / len(busy),
        median(each.first_seconds for each in measured),
        median(each.further_seconds for each in measured),
        max(each.megabytes for each in measured),
    )


def _prepare(workloads: int, answers: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-combined-") as name, Rig(Path(name)) as rig:
        cluster = rig.small_cluster(workloads, answers)
        _release(cluster)
        log = rig.combined(cluster, _FAST).process.log
        asyncio.run(_finished(log, 1 + _FURTHER_CYCLES))


def _round(workloads: int, seconds: float, rate: float, answers: Path) -> Round:
    with tempfile.TemporaryDirectory(prefix="bench-combined-") as name, Rig(Path(name)) as rig:
        cluster = rig.small_cluster(workloads, answers)
        server = rig.combined(cluster, _FAST)
        client = Reviews(server, rig.authority, rate)
        client.during(seconds / 4)
        idle = client.during(seconds)
        released_at = time() + 1
        answered = client.until(_cycles_from(released_at, cluster, server.process.log))
        megabytes = server.resident_megabytes
        first, *further = _cycles(server.process.log)
    first = Cycle(max(first.begin, released_at), first.end)
    return Round(
        idle,
        first.of(answered),
        [each for cycle in further for each in cycle.of(answered)],
        first.end - first.begin,
        median(each.end - each.begin for each in further),
        megabytes,
    )


_FAST = {"PROFILE_WRITE_RATE": "1000"}


async def _cycles_from(begin: float, cluster: str, log: Path) -> None:
    await asyncio.sleep(begin - time())
    await asyncio.to_thread(_release, cluster)
    await _finished(log, 1 + _FURTHER_CYCLES)


async def _finished(log: Path, count: int) -> None:
    async with asyncio.timeout(_LONGEST_SECONDS):
        while len(list(_cycles(log))) < count:  # noqa: ASYNC110 - a file tells it
            await asyncio.sleep(_LOOK_SECONDS)


def _release(cluster: str) -> None:
    request = urllib.request.Request(f"{cluster}/release", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


def _cycles(log: Path) -> Iterator[Cycle]:
    """The cycles that have ended, as the process tells."""
    for line in log.read_text().splitlines(keepends=True):
        if line.endswith("\n") and '"event": "cycle_finished"' in line:
            told = json.loads(line)
            end = datetime.fromisoformat(told["timestamp"]).timestamp()
            yield Cycle(end - told["seconds"], end)


def advice(measured: Sequence[Combined]) -> str:
    """Up to which size a cycle does not disturb the webhook much."""
    advised = [each.workloads for each in measured if each.is_advised]
    size = f"up to {max(advised):,} workloads" if advised else "at none of these sizes"
    return f"combined: p99 during each cycle at most {ADVISED_P99_MS:g} ms {size}"

"""Cost of a cycle at growing cluster sizes: the table of docs/pages/performance.md.

`python -m benchmarks.cycle_sizes` prints the table, `--write` also writes it to the file. Each size has its
own Prometheus and is measured in its own process, so that the peak memory is that of one size.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

from app.runtime.logs import configure_logs
from app.settings.types import LogFormat
from benchmarks.past_usage import Profiler, RunningPast, Size, past_of
from benchmarks.rig import ROOT

SIZES = (100, 1_000, 10_000)
PAGE = ROOT / "docs" / "pages" / "performance.md"
_TABLE = re.compile(r"(?<=<!-- sizes -->\n).*?(?=<!-- end of sizes -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the first cycle and of the next one."""

    samples: int
    queries: int
    cold_seconds: float
    server_cpu_seconds: float
    cpu_seconds: float
    steady_queries: int
    steady_seconds: float
    peak_megabytes: float


def main() -> None:
    """Prints a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table to docs/pages/performance.md")
    parser.add_argument("--workloads", type=int, nargs="*", default=SIZES)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure_logs("warning", LogFormat.CONSOLE)
    if options.measure:
        past = RunningPast(**json.loads(options.measure))
        print(json.dumps(asdict(asyncio.run(_measure(past)))))
        return
    lines = [machine(), "", *_HEAD.splitlines()]
    print(*lines, sep="\n", flush=True)
    for workloads in options.workloads:
        lines.append(_row(workloads, _measure_in_process(workloads)))
        print(lines[-1], flush=True)
    table = "\n".join([*lines, ""])
    if options.write:
        PAGE.write_text(_TABLE.sub(lambda _: table, PAGE.read_text()))


_HEAD = """\
| workloads | samples | first cycle | queries | CPU of Prometheus | own CPU | next cycle | queries | peak |
|---|---|---|---|---|---|---|---|---|"""


def _row(workloads: int, cost: Cost) -> str:
    return (
        f"| {workloads:,} | {cost.samples:,} | {cost.cold_seconds:.1f} s | {cost.queries}"
        f" | {cost.server_cpu_seconds:.1f} s | {cost.cpu_seconds:.1f} s"
        f" | {cost.steady_seconds:.2f} s | {cost.steady_queries} | {cost.peak_megabytes:.0f} MB |"
    )


def machine() -> str:
    """The date, and the machine."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    today = datetime.now(UTC).date().isoformat()
    cores = os.cpu_count()
    return f"{today}: {cores} cores of {processor}, {memory_gib:.0f} GiB, Python {platform.python_version()}."


def _measure_in_process(workloads: int) -> Cost:
    size = Size(workloads, replicas=1, days=1, scrape_seconds=300)
    with tempfile.TemporaryDirectory(prefix="bench-sizes-") as name, past_of(size, Path(name)) as past:
        server = json.dumps({"url": past.url, "pid": past.pid, "newest_step": past.newest_step})
        command = [sys.executable, "-m", "benchmarks.cycle_sizes", "--measure", server]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout
    return Cost(**json.loads(output.splitlines()[-1]))


async def _measure(past: RunningPast) -> Cost:
    profiler = Profiler(past)
    async with profiler.opened(history_days=1):
        started = process_time()
        cold = await profiler.run(past.newest_step - 1)
        cpu_seconds = process_time() - started
        steady = await profiler.run(past.newest_step)
    return Cost(
        cold.report.samples,
        len(cold.forms),
        cold.seconds,
        cold.server_cpu_seconds,
        cpu_seconds,
        len(steady.forms),
        steady.seconds,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    )


if __name__ == "__main__":
    main()

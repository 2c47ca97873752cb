"""Cost of a cold and a steady cycle, compared with curl fetching the same results: `make bench-cycle`.

Fails if, with either mesh, a cold cycle sends more than 30 queries, hourly ones apart, or takes more than 1.5
times as long as curl, or if a steady cycle sends more than 12 queries or takes more than 0.3 s longer than
curl.
"""

import asyncio
import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from app.runtime.logs import configure_logs
from app.settings.types import LogFormat
from benchmarks.past_usage import Profiler, Run, RunningPast, curl_seconds, past_of, size_of, size_options

MESHES = ("linkerd", "istio")
HOURLY_QUERIES = 3  # two that plan, and one on the targets that describe objects; a cold cycle sends them too
COLD_QUERIES, COLD_RATIO, STEADY_QUERIES, STEADY_SECONDS = 30, 1.5, 12, 0.3


@dataclass(frozen=True, slots=True)
class Comparison:
    """A cycle, and the time and server CPU of curl for the same queries."""

    run: Run
    curl_seconds: float
    curl_server_cpu_seconds: float


def main() -> None:
    """Prints the cost of each cycle, and the medians in the last line."""
    parser = size_options(__doc__)
    parser.add_argument("--mesh", choices=MESHES, action="append", help="all of them by default")
    options = parser.parse_args()
    configure_logs("warning", LogFormat.CONSOLE)
    are_within = []
    for mesh in options.mesh or MESHES:
        size = size_of(options, mesh)
        with tempfile.TemporaryDirectory(prefix="bench-cycle-") as name, past_of(size, Path(name)) as past:
            print(f"{mesh}: {size.workloads * size.replicas} Pods of {size.workloads} workloads,", end=" ")
            print(f"{size.days} days scraped each {size.scrape_seconds} s", end="; ")
            print("Prometheus runs on the same cores", flush=True)
            are_within.append(asyncio.run(_rounds(past, options.rounds, options.days, Path(name))))
    sys.exit(not all(are_within))


async def _rounds(past: RunningPast, rounds: int, history_days: int, directory: Path) -> bool:
    """Prints the cost of each cycle; True if all limits are met."""
    print(f"{'cycle':<8}{'queries':>8}{'s':>8}{'curl s':>8}{'CPU of Prometheus s':>21}", end="")
    print(f"{'with curl s':>13}{'MB read':>9}")
    comparisons: dict[str, list[Comparison]] = {"cold": [], "steady": []}
    for number in range(rounds + 1):
        profiler = Profiler(past)
        async with profiler.opened(history_days):
            for kind, step in (("cold", past.newest_step - 1), ("steady", past.newest_step)):
                read_before = profiler.traffic.received_bytes.total()
                run = await profiler.run(step)
                used = past.cpu_seconds
                seconds = await asyncio.to_thread(curl_seconds, past.url, run.forms, directory)
                comparison = Comparison(run, seconds, past.cpu_seconds - used)
                if not number:
                    continue  # the first round warms up the server
                comparisons[kind].append(comparison)
                megabytes = (profiler.traffic.received_bytes.total() - read_before) / 1e6
                _print_cycle(kind, comparison, megabytes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    written = {
        kind: max(comparison.run.report.written for comparison in runs) for kind, runs in comparisons.items()
    }
    print(
        f"peak memory of the profiler: {peak:.0f} MB; profiles written: {written['cold']} in a cold cycle",
        end="",
    )
    print(f", {written['steady']} in a steady one, each with two API requests (here kept in memory)")
    return _is_within(comparisons["cold"], comparisons["steady"])


def _print_cycle(kind: str, comparison: Comparison, megabytes: float) -> None:
    run = comparison.run
    print(
        f"{kind:<8}{len(run.forms):>8}{run.seconds:>8.2f}{comparison.curl_seconds:>8.2f}"
        f"{run.server_cpu_seconds:>21.2f}{comparison.curl_server_cpu_seconds:>13.2f}{megabytes:>9.1f}",
        flush=True,
    )


def _is_within(cold: list[Comparison], steady: list[Comparison]) -> bool:
    """Prints the last line; True if all limits are met."""
    ratio = median(comparison.run.seconds / comparison.curl_seconds for comparison in cold)
    more = median(comparison.run.seconds - comparison.curl_seconds for comparison in steady)
    queries = [max(len(comparison.run.forms) for comparison in kind) for kind in (cold, steady)]
    print(f"cold: {queries[0]} queries, {ratio:.2f} x curl; steady: {queries[1]} queries, {more:+.2f} s")
    return (
        queries[0] <= COLD_QUERIES + HOURLY_QUERIES
        and ratio <= COLD_RATIO
        and queries[1] <= STEADY_QUERIES
        and more <= STEADY_SECONDS
    )


if __name__ == "__main__":
    main()

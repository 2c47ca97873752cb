"""`make bench-accuracy HISTORIES="A.npz B.npz ..."`: one table over all sets, and the limits.

HISTORY=A.npz is a single set. TUNING=1 also tunes the constants on each set and half of one, and judges them
on all others. Values, protocol and scores are those of `job-profiler backtest`. Exits with code 1 if a rule
of another tool strays from its reference row; limits that are not reached are marked.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from app.backtest.cold_start import cold_start
from app.backtest.report import document, scores_of
from app.domain.profiles import Resource
from benchmarks.accuracy import limits, subsets, table, tuning
from benchmarks.accuracy.limits import Check
from benchmarks.accuracy.recorded_set import RecordedSet, read_set
from benchmarks.accuracy.reference_rows import reference_checks

HOURS = (1, 6, 24, 72)


class Clock:
    """Prints what has been done on standard error, with the seconds that it took."""

    def __init__(self) -> None:
        self._started = self._last = perf_counter()

    def report(self, done: str) -> None:
        """Prints *done* with the seconds since the last report."""
        now = perf_counter()
        print(f"{done}: {now - self._last:.1f} s", file=sys.stderr, flush=True)
        self._last = now

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return perf_counter() - self._started


def main() -> None:
    """Prints all tables; exit code 1 if a reference row is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histories", type=Path, nargs="+")
    parser.add_argument("--tuning", action="store_true", help="tune constants on sets and halves of sets")
    parser.add_argument("--seed", type=int, default=1, help="of the bootstrap")
    arguments, clock = parser.parse_args(), Clock()
    sets = []
    for history in arguments.histories:
        sets.append(read_set(history))
        clock.report(f"{history.stem}: {sets[-1].container_days} container-days replayed")
    checks = list(_checks(sets, arguments.seed, clock, with_tuning=arguments.tuning))
    print("Stated and observed risk")
    for of_set in sets:
        print("\n".join(table.reliability_lines(of_set.name, document(of_set.replay)["reliability"])))
    print("\nValues from little history, held for one day")
    print("\n".join(table.cold_start_lines(_cold_starts(sets, clock))))
    rows = [check for of_set in sets for check in reference_checks(of_set)]
    if rows:
        print("\nRules of other tools beside reference rows")
        print("\n".join(table.check_lines(rows)))
    print("\nAll policies on all sets")
    print("\n".join(table.policy_lines(sets)))
    print("\nMeasures beside their limits")
    print("\n".join(table.check_lines(checks)))
    print(f"\n{table.summary(checks, clock.seconds)}")
    sys.exit(not all(row.is_reached for row in rows))


def _checks(sets: Sequence[RecordedSet], seed: int, clock: Clock, *, with_tuning: bool) -> Iterator[Check]:
    large = [of_set for of_set in sets if of_set.is_large]
    yield from limits.cpu_checks(sets, np.random.default_rng(seed))
    clock.report("CPU beside KRR")
    yield from limits.memory_checks(sets)
    yield from limits.packing_checks(sets)
    clock.report("memory beside KRR, packing")
    if large:
        yield from limits.subset_checks(subsets.by_level(large))
        clock.report("subsets of 12 series")
    yield from limits.updater_checks(sets)
    if with_tuning:
        cpu = tuning.cpu_cells(large)
        clock.report("constants of CPU tuned")
        memory = tuning.memory_cells([of_set for of_set in sets if of_set.has_memory])
        clock.report("constants of memory tuned")
        for resource, cells in ((Resource.CPU, cpu), (Resource.MEMORY, memory)):
            print("\n".join(table.cell_lines(resource, cells)) + "\n")
        yield from limits.tuning_checks(cpu, memory)


def _cold_starts(
    sets: Sequence[RecordedSet], clock: Clock
) -> Iterator[tuple[str, int, str, dict[str, float | int | None]]]:
    for of_set in sets:
        results = cold_start(of_set.replay.usage, of_set.replay.period, HOURS)
        for hours, by_policy in results.items():
            for name, result in by_policy.items():
                yield of_set.name, hours, name, scores_of(result)
        clock.report(f"{of_set.name}: little history")


if __name__ == "__main__":
    main()

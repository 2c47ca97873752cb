"""The series that count for a workload: its long-running containers, if it has enough samples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Workload
from app.history.day_histograms import UsageHistograms
from app.recommendation.array_types import BoolArray, Int64Array
from app.recommendation.series_table import SeriesTable
from app.recommendation.stabilization import SeriesGroups

# True for an init container in the workload's Pod template that terminates before the application starts.
IsInitContainer = Callable[[Workload, str], bool]
_RECENT_STEPS = 12  # the last hour of a workload, in which a long-running container has samples
_NEVER_SEEN = -(1 << 40)


@dataclass(frozen=True, slots=True)
class SeriesSpans:
    """For every series its first and last step in the window, and the number of steps with samples."""

    first: Int64Array
    last: Int64Array
    seen: Int64Array


def running_series(
    table: SeriesTable, histograms: UsageHistograms, spans: SeriesSpans, is_init_container: IsInitContainer
) -> Int64Array:
    """The long-running series of each workload.

    These have samples in at least half as many steps of the workload's last hour as its busiest container.
    Terminated init containers and containers that a newer Pod template dropped have fewer. Containers for
    which *is_init_container* is True never count, however long they run.
    """
    seen = np.flatnonzero(spans.seen)
    names = ((table.workloads[table.owner[number]], table.containers[number]) for number in seen.tolist())
    stays = np.fromiter((not is_init_container(*name) for name in names), dtype=np.bool_, count=len(seen))
    candidates: Int64Array = seen[stays]
    owner = table.owner[candidates]
    newest = np.full(len(table.workloads), _NEVER_SEEN, dtype=np.int64)
    np.maximum.at(newest, owner, spans.last[candidates])
    recent = histograms.recent_step_counts(candidates, newest[owner], _RECENT_STEPS)
    most = np.zeros(len(table.workloads), dtype=np.int64)
    np.maximum.at(most, owner, recent)
    running: Int64Array = candidates[recent * 2 >= most[owner]]
    return running


def has_enough_samples(
    table: SeriesTable,
    running: Int64Array,
    sample_counts: Int64Array,
    least: int,
    has_run_again: Callable[[Workload], bool],
) -> BoolArray:
    """True for each workload with at least *least* samples of one container, or with two runs seen.

    Runs of a Job may be too short for that many samples; two of them are enough.
    """
    most = np.zeros(len(table.workloads), dtype=np.int64)
    np.maximum.at(most, table.owner[running], sample_counts[running])
    enough: NDArray[np.bool_] = most >= least
    for number in np.flatnonzero((most > 0) & ~enough).tolist():
        enough[number] = has_run_again(table.workloads[number])
    return enough


def group_running_series(table: SeriesTable, running: Int64Array, workloads: BoolArray) -> SeriesGroups:
    """The running series of the flagged *workloads*, which are renumbered from 0 in their order."""
    series = running[workloads[table.owner[running]]]
    group_numbers = workloads.cumsum() - 1
    return SeriesGroups(series, group_numbers[table.owner[series]], int(workloads.sum()))

"""Which series count for which workload: those that run long, of workloads of which enough was seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Workload
from app.history.day_histograms import UsageHistograms
from app.recommendation.day_quantiles import Integers
from app.recommendation.series_table import SeriesTable
from app.recommendation.stabilization import Flags, SeriesGroups

# Tells whether a container of a workload ends before the application begins, as its template has it.
IsInitContainer = Callable[[Workload, str], bool]
_RECENT_STEPS = 12  # the hour in which a container must run beside its workload to count as long-running
_NEVER = -(1 << 40)


@dataclass(frozen=True, slots=True)
class SeriesSpans:
    """Of every series the first and the last step in the window, and how many steps it was seen in."""

    first: Integers
    last: Integers
    seen: Integers


def running_series(
    table: SeriesTable, rows: UsageHistograms, spans: SeriesSpans, is_init_container: IsInitContainer
) -> Integers:
    """The series that ran in half of their workload's last hour.

    This leaves out init containers that have ended and containers that a newer template dropped, and what
    *ends*, however long that takes.
    """
    seen = np.flatnonzero(spans.seen)
    names = ((table.workloads[table.owner[number]], table.containers[number]) for number in seen.tolist())
    lasts = np.fromiter((not is_init_container(*name) for name in names), dtype=np.bool_, count=len(seen))
    here: Integers = seen[lasts]
    owner = table.owner[here]
    newest = np.full(len(table.workloads), _NEVER, dtype=np.int64)
    np.maximum.at(newest, owner, spans.last[here])
    recent = rows.recently_seen(here, newest[owner], _RECENT_STEPS)
    most = np.zeros(len(table.workloads), dtype=np.int64)
    np.maximum.at(most, owner, recent)
    running: Integers = here[recent * 2 >= most[owner]]
    return running


def has_enough(
    table: SeriesTable,
    running: Integers,
    samples: Integers,
    least: int,
    runs_again: Callable[[Workload], bool],
) -> Flags:
    """The workloads with *least* samples of one container, or of which two runs were seen.

    The runs of a Job may be too short for samples; having seen two of them, it is known.
    """
    most = np.zeros(len(table.workloads), dtype=np.int64)
    np.maximum.at(most, table.owner[running], samples[running])
    enough: NDArray[np.bool_] = most >= least
    for number in np.flatnonzero((most > 0) & ~enough).tolist():
        enough[number] = runs_again(table.workloads[number])
    return enough


def members_of(table: SeriesTable, running: Integers, which: Flags) -> SeriesGroups:
    """The running series of the workloads *which*, in the order of their numbers."""
    chosen = running[which[table.owner[running]]]
    place = which.cumsum() - 1
    return SeriesGroups(chosen, place[table.owner[chosen]], int(which.sum()))

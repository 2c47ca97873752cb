"""The series that count for a workload: its long-running containers, if it has enough samples."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.workloads import Workload
from app.history.samples import STEPS_PER_DAY, STEPS_PER_HOUR
from app.history.seen_together import SeenTogether
from app.history.usage_histograms import UsageHistograms
from app.recommendation.array_types import BoolArray, Int64Array
from app.recommendation.pod_roles import PodRoles, find_roles, running_steps
from app.recommendation.series_table import SeriesTable
from app.recommendation.stabilization import SeriesGroups

ContainerCheck = Callable[[Workload, str], bool]
ContainerAmount = Callable[[Workload, str], float | None]
_RECENT_STEPS = STEPS_PER_HOUR  # the last hour of a workload, in which a long-running container has samples
_NEVER_SEEN = -(1 << 40)
# A container that a known Pod template does not name counts if at least this share of the Pods have it: an
# injector's is in all of them, one to debug with in few.
_LEAST_POD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ContainerChecks:
    """The facts of Pod templates on a container of a workload.

    `is_init_container` is True for an init container that terminates before the application starts,
    `is_ephemeral` for one that was added to a Pod to debug it, and `is_added` for a container that the known
    template does not name. `memory_limit_bytes` is None without such a limit.
    """

    is_init_container: ContainerCheck
    is_ephemeral: ContainerCheck
    is_added: ContainerCheck
    memory_limit_bytes: ContainerAmount


def _never(_workload: Workload, _container: str) -> bool:
    return False


def _unknown(_workload: Workload, _container: str) -> None:
    return None


EVERY_CONTAINER = ContainerChecks(_never, _never, _never, _unknown)


@dataclass(frozen=True, slots=True)
class SeriesSpans:
    """For every series its first and last step in the window, and the number of steps with samples."""

    first: Int64Array
    last: Int64Array
    seen: Int64Array


@dataclass(frozen=True, slots=True)
class RunningSeries:
    """The series that count, and the `roles` of each workload (by number) with Pods that differ.

    `left_out` are the series of the last day that do not count since few Pods have them.
    """

    series: Int64Array
    roles: dict[int, list[Int64Array]] = field(default_factory=dict)
    left_out: Int64Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def running_series(
    table: SeriesTable,
    histograms: UsageHistograms,
    spans: SeriesSpans,
    checks: ContainerChecks,
    together: SeenTogether,
) -> RunningSeries:
    """The long-running series of each workload.

    These have samples in at least half as many steps of the workload's last hour as its busiest container;
    where Pods differ, of the last hour of those Pods and as the busiest container in them. Terminated init
    containers and containers that a newer Pod template dropped have fewer. Init containers of the template
    never count, however long they run, nor do ephemeral containers, and containers that the template does not
    name and that few Pods have.
    """
    seen = np.flatnonzero(spans.seen)
    stays, is_rare = _flags(table, seen, checks, together)
    candidates: Int64Array = seen[stays & ~is_rare]
    owner = table.owner[candidates]
    newest = np.full(len(table.workloads), _NEVER_SEEN, dtype=np.int64)
    np.maximum.at(newest, owner, spans.last[candidates])
    recent = histograms.recent_step_counts(candidates, newest[owner], _RECENT_STEPS)
    most = np.zeros(len(table.workloads), dtype=np.int64)
    np.maximum.at(most, owner, recent)
    running: Int64Array = candidates[recent * 2 >= most[owner]]
    roles = find_roles(table, candidates, together, running_steps(histograms, _RECENT_STEPS))
    if roles:
        alike = running[~np.isin(table.owner[running], list(roles))]
        running = np.unique(
            np.concatenate((alike, *(series for parts in roles.values() for series in parts)))
        )
        roles = {workload: parts for workload, parts in roles.items() if len(parts) > 1}
    rare = seen[stays & is_rare]
    is_recent = spans.last[rare] > newest[table.owner[rare]] - STEPS_PER_DAY
    return RunningSeries(running, roles, rare[is_recent])


def _flags(
    table: SeriesTable, seen: Int64Array, checks: ContainerChecks, together: SeenTogether
) -> tuple[BoolArray, BoolArray]:
    """For each of the series *seen*: whether it is no init container, and whether few Pods have it."""
    stays, is_rare = np.ones(len(seen), dtype=np.bool_), np.zeros(len(seen), dtype=np.bool_)
    for position, number in enumerate(seen.tolist()):
        workload, container = table.workloads[table.owner[number]], table.containers[number]
        if checks.is_init_container(workload, container):
            stays[position] = False
        elif checks.is_ephemeral(workload, container):
            is_rare[position] = True
        elif checks.is_added(workload, container):
            is_rare[position] = together.pod_share(workload, container) < _LEAST_POD_SHARE
    return stays, is_rare


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


def group_running_series(table: SeriesTable, running: RunningSeries, workloads: BoolArray) -> SeriesGroups:
    """The running series of the flagged *workloads*, which are renumbered from 0 in their order."""
    series = running.series[workloads[table.owner[running.series]]]
    group_numbers = workloads.cumsum() - 1
    roles = {
        int(group_numbers[workload]): parts
        for workload, parts in running.roles.items()
        if workloads[workload]
    }
    return SeriesGroups(
        series, group_numbers[table.owner[series]], int(workloads.sum()), PodRoles.of(series, roles)
    )

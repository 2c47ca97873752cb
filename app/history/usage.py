"""The state of CPU and memory usage: one numbering of series, and the histories that use it.

The state can be restricted to a range of keys and assembled from such parts; check-points store it that way.
Numbers of series are internal: they change whenever a series is dropped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Workload
from app.history.grid import GRIDS
from app.history.key_ranges import KeyRange, Keys, key_of
from app.history.pressure_history import PressureHistory
from app.history.seen_together import SeenTogether
from app.history.usage_histograms import UsageHistograms

Runs = dict[Workload, set[str]]  # the Pods seen of a workload that runs to completion
# Estimated memory: of a series without samples (names, times, daily maxima), of a histogram's entry, and of a
# sample of a step that has not settled.
_SERIES_BYTES, _ENTRY_BYTES, _OPEN_SAMPLE_BYTES = 2048, 12, 32


@dataclass(slots=True)
class SeriesIndex:
    """The workload and container of each series, by number."""

    index: dict[tuple[Workload, str], int] = field(default_factory=dict)
    workloads: set[Workload] = field(default_factory=set)
    containers: list[str] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)

    def get_or_add(self, workload: Workload, container: str) -> int:
        """The number of a series; a new series gets the next number."""
        number = self.index.setdefault((workload, container), len(self.index))
        if number == len(self.containers):
            self.containers.append(container)
            self.keys.append(key_of(workload))
            self.workloads.add(workload)
        return number

    def keys_of(self, series: NDArray[np.int64]) -> Keys:
        """The key of each series' workload; undefined for the number -1."""
        return np.array([*self.keys, 0], dtype=np.int64)[series]

    def within(self, keys: KeyRange) -> NDArray[np.int64]:
        """The series of *keys*, in the order of their numbers."""
        return np.flatnonzero(keys.covers(np.array(self.keys, dtype=np.int64)))

    def renumber(self, names: Iterable[tuple[Workload, str]]) -> None:
        """Replace the series by *names*, numbered from 0 in that order."""
        names = list(names)
        for collection in (self.index, self.workloads, self.containers, self.keys):
            collection.clear()
        for name in names:
            self.get_or_add(*name)


class UsageState:
    """Usage histograms, pressure, runs and the containers of Pods, of all workloads or of a range of keys.

    A check-point has that of a range of keys.
    """

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self.timeslots, self.retained_days = timeslots, retained_days
        self.series = SeriesIndex()
        self.runs: Runs = {}
        self.together = SeenTogether()
        self.histograms = {
            resource: UsageHistograms(grid, timeslots, retained_days) for resource, grid in GRIDS.items()
        }
        self.pressure = {reason: PressureHistory() for reason in Pressure}

    def histories(self) -> list[UsageHistograms | PressureHistory]:
        """The histories of usage and of pressure, in the same order for every state."""
        return [
            *(self.histograms[resource] for resource in Resource),
            *(self.pressure[kind] for kind in Pressure),
        ]

    def stored_bytes(self) -> NDArray[np.float64]:
        """The estimated size in bytes of each series in a check-point; 0 for one without a sample."""
        totals = np.zeros(len(self.series.containers))
        for histograms in self.histograms.values():
            sizes = histograms.stored_bytes()
            totals[: len(sizes)] += sizes
        return totals

    @property
    def memory_bytes(self) -> int:
        """The estimated memory of all series."""
        entries = sum(histograms.entries for histograms in self.histograms.values())
        open_samples = sum(
            len(samples.values)
            for histograms in self.histograms.values()
            for samples in histograms.open.steps.values()
        )
        series = len(self.series.containers)
        return series * _SERIES_BYTES + entries * _ENTRY_BYTES + open_samples * _OPEN_SAMPLE_BYTES

    def series_bytes(self) -> NDArray[np.int64]:
        """The estimated memory of each series."""
        entries, open_samples = np.zeros((2, len(self.series.containers)), dtype=np.int64)
        for histograms in self.histograms.values():
            counts = histograms.entry_counts()
            entries[: len(counts)] += counts
            open_samples += histograms.open.counts(len(open_samples))
        return entries * _ENTRY_BYTES + open_samples * _OPEN_SAMPLE_BYTES + _SERIES_BYTES

    def keep(self, is_kept: NDArray[np.bool_]) -> None:
        """Drop the series without a flag; their steps are not missing."""
        if not is_kept.all():
            self._keep(np.flatnonzero(is_kept))

    def forget(self, keys: KeyRange) -> None:
        """Drop all data of *keys*, so that all their steps are missing."""
        is_kept = np.ones(len(self.series.containers), dtype=np.bool_)
        is_kept[self.series.within(keys)] = False
        self.keep(is_kept)
        for history in self.histories():
            history.coverage.forget(keys)
            history.open_coverage.forget(keys)

    def forget_from(self, day: int) -> None:
        """Drop *day* and all days after it, so that their steps are missing."""
        for history in self.histories():
            history.forget_from(day)
        self.together.forget_from(day)
        self.forget_silent()

    def forget_silent(self) -> None:
        """Drop the series without a sample on any retained day or open step."""
        measured = np.zeros(len(self.series.containers), dtype=np.bool_)
        for histograms in self.histograms.values():
            for samples in histograms.open.steps.values():
                measured[samples.rows.series] = True
            for day in histograms.days.values():
                measured[: len(day.steps_seen)] |= day.steps_seen > 0
        self.keep(measured)

    def within(self, keys: KeyRange) -> "UsageState":
        """The state of *keys*."""
        part = UsageState(timeslots=self.timeslots, retained_days=self.retained_days)
        series = self.series.within(keys)
        part.series.renumber(self._names(series))
        part.runs = {run: pods for run, pods in self.runs.items() if run in part.series.workloads}
        part.together = self.together.within(part.series.workloads)
        for resource, histograms in self.histograms.items():
            part.histograms[resource] = histograms.select(series)
        for kind, pressure in self.pressure.items():
            part.pressure[kind] = pressure.select(series)
        for own, restricted in zip(self.histories(), part.histories(), strict=True):
            restricted.coverage = own.coverage.within(keys)
        return part

    def replace_with(self, parts: Mapping[KeyRange, "UsageState"]) -> None:
        """Replace the state by that of all *parts*, which are left without histograms.

        All steps of keys in no part are missing.
        """
        states = list(parts.values())
        sizes = [len(state.series.containers) for state in states]
        self.series.renumber(name for state in states for name in state.series.index)
        self.runs.clear()
        self.runs.update({run: pods for state in states for run, pods in state.runs.items()})
        self.together.replace_with(state.together for state in states)
        for resource, histograms in self.histograms.items():
            histograms.replace_with([state.histograms[resource] for state in states], sizes)
        for kind, pressure in self.pressure.items():
            pressure.replace_with([state.pressure[kind] for state in states], sizes)
        for keys, state in parts.items():
            for own, restricted in zip(self.histories(), state.histories(), strict=True):
                own.coverage.replace(keys, restricted.coverage)

    def merge(self, groups: Mapping[Workload, Workload]) -> None:
        """Add the usage, pressure and runs of each workload to that of its group.

        A step counts for a group if it was read for it and for all its workloads, so workloads with another
        coverage than their group are left as they are. The series of the others remain without samples until
        `forget_silent`: so no other series gets another number, and no day without them changes.
        """
        alike = {
            workload: group for workload, group in groups.items() if self._is_read_alike(workload, group)
        }
        if not alike:
            return
        moved = [
            (number, self.series.get_or_add(alike[workload], container))
            for (workload, container), number in list(self.series.index.items())
            if workload in alike
        ]
        targets = np.arange(len(self.series.containers))
        targets[[number for number, _ in moved]] = [target for _, target in moved]
        self.series.workloads.difference_update(alike)
        for workload, group in alike.items():
            if pods := self.runs.pop(workload, None):
                self.runs.setdefault(group, set()).update(pods)
        self.together.merge(alike)
        for history in self.histories():
            history.merge(targets)

    def _is_read_alike(self, workload: Workload, group: Workload) -> bool:
        keys = np.array([key_of(workload), key_of(group)], dtype=np.int64)
        ranges = (history.coverage.range_indexes(keys) for history in self.histories())
        return all(first == second for first, second in ranges)

    def has_run_again(self, workload: Workload) -> bool:
        """True if two runs of the workload were seen, even if a Job's runs were too short for samples."""
        return len(self.runs.get(workload, ())) > 1

    def _keep(self, series: NDArray[np.int64]) -> None:
        self.series.renumber(self._names(series))
        for run in self.runs.keys() - self.series.workloads:
            del self.runs[run]
        self.together.keep(self.series.workloads)
        for history in self.histories():
            history.keep(series)

    def _names(self, series: NDArray[np.int64]) -> list[tuple[Workload, str]]:
        names = list(self.series.index)
        return [names[number] for number in series.tolist()]

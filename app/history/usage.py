"""What is remembered of CPU and memory: one numbering of series, and the rows that go by it.

Everything here can be cut to a range of keys and joined again: that is how it is kept beyond a process. The
numbers of series are nobody else's: they change whenever a series is forgotten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.domain.profiles import Pressure, Resource
from app.domain.workloads import Workload
from app.history.day_histograms import UsageHistograms
from app.history.grid import GRIDS
from app.history.key_ranges import KeyRange, Keys, key_of
from app.history.pressure_rows import PressureRows

Runs = dict[Workload, set[str]]


@dataclass(slots=True)
class SeriesIndex:
    """Which container of which workload each series is."""

    index: dict[tuple[Workload, str], int] = field(default_factory=dict)
    by_workload: dict[Workload, list[int]] = field(default_factory=dict)
    containers: list[str] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)

    def of(self, workload: Workload, container: str) -> int:
        """The number of a series, a new one where it has none."""
        number = self.index.setdefault((workload, container), len(self.index))
        if number == len(self.containers):
            self.containers.append(container)
            self.keys.append(key_of(workload))
            self.by_workload.setdefault(workload, []).append(number)
        return number

    def keys_of(self, series: NDArray[np.int64]) -> Keys:
        """The key of each series' workload; that of nobody's (-1) means nothing."""
        return np.array([*self.keys, 0], dtype=np.int64)[series]

    def within(self, keys: KeyRange) -> NDArray[np.int64]:
        """The series of *keys*, in the order of their numbers."""
        return np.flatnonzero(keys.covers(np.array(self.keys, dtype=np.int64)))

    def renumber(self, names: Iterable[tuple[Workload, str]]) -> None:
        """Hold just *names*, numbered from 0 in that order."""
        names = list(names)
        for each in (self.index, self.by_workload, self.containers, self.keys):
            each.clear()
        for name in names:
            self.of(*name)


class UsageState:
    """Day rows, signs of need and runs of all workloads; of a range of keys in a check-point."""

    def __init__(self, *, timeslots: int, retained_days: int) -> None:
        self.timeslots, self.retained_days = timeslots, retained_days
        self.series = SeriesIndex()
        self.runs: Runs = {}
        self.rows = {
            resource: UsageHistograms(grid, timeslots, retained_days) for resource, grid in GRIDS.items()
        }
        self.pressure = {reason: PressureRows() for reason in Pressure}

    def all_rows(self) -> list[UsageHistograms | PressureRows]:
        """The rows of usage and of pressure, in one order for every state."""
        return [*(self.rows[resource] for resource in Resource), *(self.pressure[kind] for kind in Pressure)]

    def stored_bytes(self) -> NDArray[np.float64]:
        """About what each series takes in a check-point; 0 for one without a sample."""
        found = np.zeros(len(self.series.containers))
        for rows in self.rows.values():
            sizes = rows.stored_bytes()
            found[: len(sizes)] += sizes
        return found

    def forget(self, keys: KeyRange) -> None:
        """Know nothing of *keys*, so that all their steps are missing."""
        here = np.zeros(len(self.series.containers), dtype=np.bool_)
        here[self.series.within(keys)] = True
        if here.any():
            self._keep(np.flatnonzero(~here))
        for rows in self.all_rows():
            rows.coverage.remove(keys)

    def forget_silent(self) -> None:
        """Drop the series of which no day of the ring holds a sample."""
        measured = np.zeros(len(self.series.containers), dtype=np.bool_)
        for rows in self.rows.values():
            for day in rows.days.values():
                measured[: len(day.steps_seen)] |= day.steps_seen > 0
        if not measured.all():
            self._keep(np.flatnonzero(measured))

    def within(self, keys: KeyRange) -> "UsageState":
        """What is known of *keys*."""
        part, series = (
            UsageState(timeslots=self.timeslots, retained_days=self.retained_days),
            self.series.within(keys),
        )
        part.series.renumber(self._names(series))
        part.runs = {run: pods for run, pods in self.runs.items() if run in part.series.by_workload}
        for resource, rows in self.rows.items():
            part.rows[resource] = rows.of(series)
        for kind, pressure in self.pressure.items():
            part.pressure[kind] = pressure.of(series)
        for whole, cut in zip(self.all_rows(), part.all_rows(), strict=True):
            cut.coverage = whole.coverage.within(keys)
        return part

    def join(self, parts: Mapping[KeyRange, "UsageState"]) -> None:
        """Become all *parts*, each of which knows of its keys alone; of other keys all steps are missing."""
        states = list(parts.values())
        sizes = [len(state.series.containers) for state in states]
        self.series.renumber(name for state in states for name in state.series.index)
        self.runs.clear()
        self.runs.update({run: pods for state in states for run, pods in state.runs.items()})
        for resource, rows in self.rows.items():
            rows.join([state.rows[resource] for state in states], sizes)
        for kind, pressure in self.pressure.items():
            pressure.join([state.pressure[kind] for state in states], sizes)
        for keys, state in parts.items():
            for rows_of_all, rows_of_part in zip(self.all_rows(), state.all_rows(), strict=True):
                rows_of_all.coverage.put(keys, rows_of_part.coverage)

    def has_run_again(self, workload: Workload) -> bool:
        """True if two runs of the workload were seen; a Job's runs may be too short for samples."""
        return len(self.runs.get(workload, ())) > 1

    def _keep(self, series: NDArray[np.int64]) -> None:
        self.series.renumber(self._names(series))
        for run in self.runs.keys() - self.series.by_workload.keys():
            del self.runs[run]
        for rows in self.all_rows():
            rows.keep(series)

    def _names(self, series: NDArray[np.int64]) -> list[tuple[Workload, str]]:
        names = list(self.series.index)
        return [names[number] for number in series.tolist()]

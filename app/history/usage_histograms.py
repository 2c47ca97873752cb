"""Histograms of one resource, one for each UTC day.

A step is folded once, when it has settled, so the result does not depend on the order of query results or on
repeated ones. Until then its samples are kept raw; to read, they are added to a copy. Quantiles and weights
of days are applied on reading.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.coverage import Coverage
from app.history.day_histograms import DayHistograms
from app.history.grid import ExponentialGrid
from app.history.open_steps import OpenCoverage, OpenSamples, SampleRows, Settlement, StepSamples, all_settled
from app.history.padding import pad
from app.history.samples import STEPS_PER_DAY, StepRange, day_of

_RECENT_BITS = 64
# Bounds memory: a sample takes about 100 bytes while it is folded.
_SAMPLES_AT_ONCE = 300_000
# Estimated size in a check-point, compressed: of a histogram entry and of a slot's maximum.
_ENTRY_BYTES, _MAXIMUM_BYTES = 0.8, 6.0
_NEVER_SEEN, _NOT_SEEN_YET = -(1 << 40), np.iinfo(np.int64).max


class UsageHistograms:
    """The histograms of one resource for the last *retained_days* days.

    `first_seen` and `last_seen` are steps by series. Bit k of `recent[series]` is set if the series has a
    sample at step `last_seen[series] - k`. `open` has the samples of steps that have not settled; they count
    in `with_open_samples` only.
    """

    def __init__(self, grid: ExponentialGrid, timeslots: int, retained_days: int) -> None:
        self.grid = grid
        self.timeslots = timeslots
        self.coverage = Coverage()
        self.open, self.open_coverage = OpenSamples(), OpenCoverage()
        self._retained_days = retained_days
        self.days: dict[int, DayHistograms] = {}
        self.first_seen = np.empty(0, dtype=np.int64)
        self.last_seen = np.empty(0, dtype=np.int64)
        self.recent = np.empty(0, dtype=np.uint64)

    def sample_counts(self, day: int) -> NDArray[np.int64]:
        """The number of samples on *day* of each series that the day stores."""
        return self.days.get(day, DayHistograms()).sample_counts(self.timeslots, self.grid.size)

    @property
    def newest_step(self) -> int:
        """The newest step that was read, settled or not; 0 if there is none."""
        return max(self.coverage.newest_step, self.open_coverage.newest_step)

    def missing(self, wanted: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE) -> list[StepRange]:
        """The steps of *wanted* to read for *namespaces*, newest day first; ranges within a day."""
        return self.coverage.missing(wanted, namespaces, self.open_coverage.as_of(wanted.last))

    def fold(
        self,
        steps: StepRange,
        rows: SampleRows,
        values: NDArray[np.float64],
        answered: NamespaceSelection = EVERY_NAMESPACE,
        settlement: Settlement | None = None,
    ) -> int:
        """Fold one whole query result on the *answered* namespaces; *values* is [rows, steps], NaN for none.

        Samples of steps that have not settled are kept apart; all have without a *settlement*. Returns the
        number of samples that were new in the histograms.
        """
        settlement = settlement or all_settled(steps)
        self.grow(int(rows.series.max(initial=-1)) + 1)
        settled, raw_steps = settlement.settled_part(steps), self._keep_raw(steps, rows, values, settlement)
        folded, at_once = 0, max(_SAMPLES_AT_ONCE // max(len(rows.series), 1), 1)
        for part in settled.by_day():
            self.days.setdefault(day_of(part.first), DayHistograms())
            uncovered = self.coverage.uncovered(rows.keys, part)
            is_direct = ~np.isin(np.arange(part.first, part.last + 1), raw_steps)
            new_columns = np.flatnonzero(uncovered.any(axis=0) & is_direct)
            for begin in range(0, len(new_columns), at_once):
                columns = new_columns[begin : begin + at_once]
                block = values[:, part.first - steps.first + columns]
                block = np.where(uncovered[:, columns], block, np.nan)
                row, column = np.nonzero(~np.isnan(block))
                at_steps = part.first + columns[column]
                folded += self._add(at_steps, rows.series[row], block[row, column])
        for step, samples in self.open.take(settled, answered):
            folded += self._add(np.full(len(samples.rows.series), step), samples.rows.series, samples.values)
        if settled:
            self.coverage.add(settled, answered)
        self.open_coverage.add(settlement.open_part(steps), answered, settlement.newest_step)
        return folded

    def with_open_samples(self) -> "UsageHistograms":
        """The histograms and the samples of the open steps, to read; days without such samples are shared."""
        if not self.open.steps:
            return self
        whole = UsageHistograms(self.grid, self.timeslots, self._retained_days)
        whole.coverage, whole.days = self.coverage, dict(self.days)
        for number in {day_of(step) for step in self.open.steps}:
            whole.days[number] = self.days.get(number, DayHistograms()).copy()
        whole.first_seen, whole.last_seen = self.first_seen.copy(), self.last_seen.copy()
        whole.recent = self.recent.copy()
        for step, samples in sorted(self.open.steps.items()):
            whole._add(np.full(len(samples.rows.series), step), samples.rows.series, samples.values)
        return whole

    def forget_old_days(self, newest_step: int) -> bool:
        """Drop the days older than the retained ones; True if there were any."""
        oldest = day_of(newest_step) - self._retained_days + 1
        self.days = {number: day for number, day in self.days.items() if number >= oldest}
        return self.coverage.forget_before(oldest)

    def forget_from(self, day: int) -> None:
        """Drop *day* and all days after it, so that their steps are missing."""
        self.days = {number: rows for number, rows in self.days.items() if number < day}
        self.coverage.forget_from(day)
        self.open, self.open_coverage = OpenSamples(), OpenCoverage()
        is_later = self.last_seen > day * STEPS_PER_DAY
        self.first_seen[self.first_seen > day * STEPS_PER_DAY] = _NOT_SEEN_YET
        self.last_seen[is_later], self.recent[is_later] = _NEVER_SEEN, 0

    def forget_before(self, day: int, series: NDArray[np.int64]) -> None:
        """Drop the samples of *series* on the days before *day*; their steps are not missing."""
        for number in [known for known in self.days if known < day]:
            self.days[number] = self.days[number].without(series, self.timeslots, self.grid.size)
        self.grow(int(series.max(initial=-1)) + 1)
        self.first_seen[series] = np.maximum(self.first_seen[series], day * STEPS_PER_DAY + 1)

    @property
    def entries(self) -> int:
        """The number of entries of all histograms."""
        return sum(len(day.keys) for day in self.days.values())

    def entry_counts(self) -> NDArray[np.int64]:
        """The number of entries of each series."""
        counts = np.zeros(self.size, dtype=np.int64)
        for day in self.days.values():
            series = (day.keys // np.uint64(self.timeslots * self.grid.size)).astype(np.int64)
            counts += np.bincount(series, minlength=self.size)
        return counts

    def stored_bytes(self) -> NDArray[np.float64]:
        """The estimated compressed size in bytes of each series."""
        sizes = self.entry_counts().astype(np.float64) * _ENTRY_BYTES
        for day in self.days.values():
            slots = np.count_nonzero(day.maxima.reshape(-1, self.timeslots), axis=1)
            sizes[: len(slots)] += slots * _MAXIMUM_BYTES
        return sizes

    def keep(self, series: NDArray[np.int64]) -> None:
        """Drop all other series; *series* are renumbered from 0 in that order."""
        kept = self.select(series)
        self.days = kept.days
        self.first_seen, self.last_seen = kept.first_seen, kept.last_seen
        self.recent = kept.recent
        self.open.keep(series)

    def merge(self, targets: NDArray[np.int64]) -> None:
        """Add series k to series `targets[k]`; one that moves is left without samples."""
        size = len(targets)
        self.grow(size)
        self.days = {
            number: day.merge(targets, self.timeslots, self.grid.size) for number, day in self.days.items()
        }
        merged = UsageHistograms(self.grid, self.timeslots, self._retained_days)
        merged.grow(size)
        np.minimum.at(merged.first_seen, targets, self.first_seen)
        np.maximum.at(merged.last_seen, targets, self.last_seen)
        lag = np.minimum(merged.last_seen[targets] - self.last_seen, _RECENT_BITS - 1).astype(np.uint64)
        np.bitwise_or.at(merged.recent, targets, self.recent << lag)
        self.first_seen, self.last_seen = merged.first_seen, merged.last_seen
        self.recent = merged.recent
        self.open.merge(targets)

    def select(self, series: NDArray[np.int64]) -> "UsageHistograms":
        """The histograms of *series* only, renumbered from 0 in that order.

        Coverage and open samples are not copied.
        """
        self.grow(int(series.max(initial=-1)) + 1)
        part = UsageHistograms(self.grid, self.timeslots, self._retained_days)
        part.days = {
            number: day.select(series, self.timeslots, self.grid.size) for number, day in self.days.items()
        }
        part.first_seen, part.last_seen = self.first_seen[series], self.last_seen[series]
        part.recent = self.recent[series]
        return part

    def replace_with(self, parts: Sequence["UsageHistograms"], sizes: Sequence[int]) -> None:
        """Replace the histograms by those of all *parts*, without open samples; coverage is unchanged.

        The series of each part are numbered after the *sizes* of the parts before it. The parts are left
        without histograms, so that these are in memory once.
        """
        self.open, self.open_coverage = OpenSamples(), OpenCoverage()
        for part, size in zip(parts, sizes, strict=True):
            part.grow(size)
        self.first_seen = np.concatenate([part.first_seen for part in parts])
        self.last_seen = np.concatenate([part.last_seen for part in parts])
        self.recent = np.concatenate([part.recent for part in parts])
        self.days = {
            number: DayHistograms.concatenate(
                [part.days.pop(number, DayHistograms()) for part in parts],
                sizes,
                self.timeslots,
                self.grid.size,
            )
            for number in sorted({number for part in parts for number in part.days})
        }

    @property
    def size(self) -> int:
        """Number of series."""
        return len(self.last_seen)

    def window(self, today: int, window_days: int) -> list[tuple[int, DayHistograms]]:
        """The days with data among the *window_days* that end with *today*, oldest first."""
        return [(n, day) for n, day in sorted(self.days.items()) if today - window_days < n <= today]

    def spans(
        self, *, today: int, window_days: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """For each series its first and last step in the window, and the number of steps with samples."""
        seen = np.zeros(len(self.last_seen), dtype=np.int64)
        for _, day in self.window(today, window_days):
            seen[: len(day.steps_seen)] += day.steps_seen
        window_start = (today - window_days + 1) * STEPS_PER_DAY + 1
        return np.maximum(self.first_seen, window_start), self.last_seen.copy(), seen

    def recent_step_counts(
        self, series: NDArray[np.int64], until_steps: NDArray[np.int64], steps: int
    ) -> NDArray[np.int64]:
        """For each `series[k]`, the number of steps with samples among the *steps* up to `until_steps[k]`."""
        lag = np.minimum(until_steps - self.last_seen[series], _RECENT_BITS - 1).astype(np.uint64)
        window = (self.recent[series] << lag) & np.uint64((1 << steps) - 1)
        seen: NDArray[np.int64] = np.bitwise_count(window).astype(np.int64)
        return seen

    def _keep_raw(
        self, steps: StepRange, rows: SampleRows, values: NDArray[np.float64], settlement: Settlement
    ) -> list[int]:
        """Keep the samples of open steps, and of steps that were open before; returns these steps."""
        raw_steps = [
            step
            for step in range(steps.first, steps.last + 1)
            if step > settlement.settled_step or step in self.open.steps
        ]
        for step in raw_steps:
            of_step = values[:, step - steps.first]
            new = self.coverage.uncovered(rows.keys, StepRange(step, step))[:, 0] & ~np.isnan(of_step)
            if new.any():
                samples = StepSamples(rows, of_step)
                self.open.put(step, samples.where(new))
        return raw_steps

    def _add(self, steps: NDArray[np.int64], series: NDArray[np.int64], values: NDArray[np.float64]) -> int:
        """Add `values[k]` of `series[k]` at `steps[k]`, all on one day, to its histograms."""
        if not len(steps):
            return 0
        day = self.days.setdefault(day_of(int(steps[0])), DayHistograms())
        slot = (steps - 1) % STEPS_PER_DAY * self.timeslots // STEPS_PER_DAY
        cells = series * self.timeslots + slot
        day.add((cells * self.grid.size + self.grid.buckets(values)).astype(np.uint64))
        day.maxima = pad(day.maxima, len(self.last_seen) * self.timeslots)
        np.maximum.at(day.maxima, cells, values)
        self._mark_seen(day, series, steps)
        return len(steps)

    def _mark_seen(
        self, day: DayHistograms, sample_series: NDArray[np.int64], steps: NDArray[np.int64]
    ) -> None:
        """Record the steps in which each series has samples; replicas of one step count once."""
        begin, end = int(steps.min()), int(steps.max())
        seen = np.zeros((len(self.last_seen), end - begin + 1), dtype=np.bool_)
        seen[sample_series, steps - begin] = True
        series, column = np.nonzero(seen)
        step = column + begin
        day.steps_seen = pad(day.steps_seen, len(self.last_seen))
        day.steps_seen += seen.sum(axis=1, dtype=np.uint16)
        np.minimum.at(self.first_seen, series, step)
        previous = self.last_seen.copy()
        np.maximum.at(self.last_seen, series, step)
        moved = np.minimum(self.last_seen - previous, _RECENT_BITS)
        kept = np.where(moved < _RECENT_BITS, self.recent << (moved % _RECENT_BITS).astype(np.uint64), 0)
        self.recent = kept.astype(np.uint64)
        age = self.last_seen[series] - step
        is_recent = age < _RECENT_BITS
        np.bitwise_or.at(self.recent, series[is_recent], np.uint64(1) << age[is_recent].astype(np.uint64))

    def grow(self, size: int) -> None:
        """Make room for *size* series."""
        self.first_seen = pad(self.first_seen, size, _NOT_SEEN_YET)
        self.last_seen = pad(self.last_seen, size, _NEVER_SEEN)
        self.recent = pad(self.recent, size)

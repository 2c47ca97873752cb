"""CPU throttling or OOM kills by day and series.

Shares are stored as measured, and `app.recommendation.pressure` derives a raise from them, so samples that
are read twice or in another order give the same raise. A step is folded once, when it has settled; until then
each answer replaces the one before. Only the days that a new leader queries again are kept, so a restart
changes nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.coverage import Coverage, StepFlags
from app.history.kill_limits import KillLimits, joined
from app.history.open_steps import (
    OpenCoverage,
    OpenSamples,
    SampleRows,
    Settlement,
    StepSamples,
    all_settled,
)
from app.history.padding import pad
from app.history.samples import STEPS_PER_DAY, PressureSamples, StepRange, day_of, merge_adjacent

REMEMBERED_DAYS = 3  # today and the two days before it
# The limits of kills are kept for as long as a value looks back: usage below a limit never shows the need.
_KILL_LIMIT_STEPS = 28 * STEPS_PER_DAY

_NEVER = -(1 << 40)
# Shares are summed as integers, so that the sum does not depend on the order.
_PARTS_PER_UNIT = 10_000


class PressureHistory:
    """The last days of one kind of pressure; a series is one container of one workload, replicas pooled."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.days: dict[int, NDArray[np.int64]] = {}  # the sum of shares of each series, in 1 / 10,000
        self.last_seen_steps = np.empty(0, dtype=np.int64)  # the last step with pressure, by series
        self.kill_limits = KillLimits()  # of OOM kills
        self.open, self.open_coverage = OpenSamples(), OpenCoverage()

    def missing(
        self,
        measured: Callable[[int], StepFlags],
        newest_step: int,
        namespaces: NamespaceSelection = EVERY_NAMESPACE,
    ) -> list[StepRange]:
        """The steps of the remembered days to query for *namespaces*, newest first.

        *measured* has the steps of a day for which usage was read. Other steps are not queried: without usage
        there is no series to which pressure belongs.
        """
        today, missing = day_of(newest_step), []
        read = self.open_coverage.as_of(newest_step)
        for number in range(today - REMEMBERED_DAYS + 1, today + 1):
            unread = measured(number) & ~self.coverage.covered_for(number, namespaces, read)
            missing += [number * STEPS_PER_DAY + 1 + int(column) for column in np.flatnonzero(unread)]
        return merge_adjacent(StepRange(step, step) for step in missing if step <= newest_step)

    def fold(self, samples: PressureSamples, rows: SampleRows, settlement: Settlement | None = None) -> None:
        """Fold one whole query result; *rows* are its containers, with the series -1 if it is unknown.

        Samples of steps that have not settled are kept apart; all have without a *settlement*.
        """
        settlement = settlement or all_settled(samples.steps)
        settled, still_open = settlement.settled_part(samples.steps), settlement.open_part(samples.steps)
        self.last_seen_steps = pad(self.last_seen_steps, int(rows.series.max(initial=-1)) + 1, _NEVER)
        for _ in self.open.take(samples.steps, samples.answered):
            pass  # the newer answer replaces these
        new = rows.series[samples.rows] >= 0
        new &= self.coverage.uncovered_pairs(rows.keys[samples.rows], samples.at_steps)
        at_rows, steps = samples.rows[new], samples.at_steps[new]
        parts = np.round(np.clip(samples.shares[new], 0, 1) * _PARTS_PER_UNIT)
        limits = np.full(len(steps), np.nan) if samples.limits_bytes is None else samples.limits_bytes[new]
        values = np.stack((parts, limits), axis=1)
        for part in settled.by_day():
            in_part = (steps >= part.first) & (steps <= part.last)
            self._add(day_of(part.first), rows.series[at_rows[in_part]], steps[in_part], values[in_part])
        for step in range(still_open.first, still_open.last + 1):
            at = steps == step
            if at.any():
                under_pressure = SampleRows(*(array[at_rows[at]] for array in rows))
                self.open.put(step, StepSamples(under_pressure, values[at]))
        if settled:
            self.coverage.add(settled, samples.answered)
        self.open_coverage.add(still_open, samples.answered, settlement.newest_step)
        self._forget_old_days(samples.steps.last)

    def with_open_samples(self) -> "PressureHistory":
        """The history with the pressure in the open steps, to read."""
        if not self.open.steps:
            return self
        whole = PressureHistory()
        whole.coverage, whole.last_seen_steps = self.coverage, self.last_seen_steps.copy()
        whole.days = {number: day.copy() for number, day in self.days.items()}
        whole.kill_limits = self.kill_limits.copy()
        for step, samples in self.open.steps.items():
            steps = np.full(len(samples.values), step)
            whole._add(day_of(step), samples.rows.series, steps, samples.values)
        return whole

    def kill_limits_as_of(self, newest_step: int, size: int) -> KillLimits:
        """The limits of kills of each of *size* series that are not too old."""
        limits = self.kill_limits.padded(size).copy()
        limits.forget(np.flatnonzero(self.last_seen(size) <= newest_step - _KILL_LIMIT_STEPS))
        return limits

    def _add(
        self, number: int, series: NDArray[np.int64], steps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        """Add the share and the limit `values[k]` of `series[k]` at `steps[k]`, all on the day *number*."""
        day = pad(self.days.get(number, steps[:0]), len(self.last_seen_steps), 0)
        np.add.at(day, series, values[:, 0].astype(np.int64))
        # A kill after a long time without one says nothing of the limits before.
        self.kill_limits.forget(series[self.last_seen_steps[series] <= steps - _KILL_LIMIT_STEPS])
        is_known = ~np.isnan(values[:, 1])
        self.kill_limits.add(series[is_known], values[is_known, 1])
        np.maximum.at(self.last_seen_steps, series, steps)
        self.days[number] = day

    def select(self, series: NDArray[np.int64]) -> "PressureHistory":
        """The pressure of *series* only, renumbered from 0 in that order.

        Coverage and open samples are not copied.
        """
        size, part = int(series.max(initial=-1)) + 1, PressureHistory()
        part.days = {number: pad(day, size, 0)[series] for number, day in self.days.items()}
        part.last_seen_steps = self.last_seen(size)[series]
        part.kill_limits = self.kill_limits.select(series)
        return part

    def keep(self, series: NDArray[np.int64]) -> None:
        """Drop all other series; *series* are renumbered from 0 in that order."""
        kept = self.select(series)
        self.days, self.last_seen_steps, self.kill_limits = kept.days, kept.last_seen_steps, kept.kill_limits
        self.open.keep(series)

    def merge(self, targets: NDArray[np.int64]) -> None:
        """Add series k to series `targets[k]`; one that moves is left without pressure."""
        size = len(targets)
        days, last = {}, np.full(size, _NEVER)
        for number, day in self.days.items():
            days[number] = np.zeros(size, dtype=np.int64)
            np.add.at(days[number], targets[: len(day)], day)
        np.maximum.at(last, targets, self.last_seen(size))
        self.days, self.last_seen_steps = days, last
        self.kill_limits = self.kill_limits.merge(targets)
        self.open.merge(targets)

    def replace_with(self, parts: Sequence["PressureHistory"], sizes: Sequence[int]) -> None:
        """Replace the pressure by that of all *parts*, without open samples; coverage is unchanged.

        The series of each part are numbered after the *sizes* of the parts before it.
        """
        self.open, self.open_coverage = OpenSamples(), OpenCoverage()
        sized = list(zip(parts, sizes, strict=True))
        self.last_seen_steps = np.concatenate([part.last_seen(size) for part, size in sized])
        self.kill_limits = joined(part.kill_limits.padded(size) for part, size in sized)
        empty = self.last_seen_steps[:0]
        self.days = {
            number: np.concatenate([pad(part.days.get(number, empty), size, 0) for part, size in sized])
            for number in sorted({number for part in parts for number in part.days})
        }

    def forget_from(self, day: int) -> None:
        """Drop *day* and all days after it, so that their steps are missing."""
        self.days = {number: parts for number, parts in self.days.items() if number < day}
        self.coverage.forget_from(day)
        self.open, self.open_coverage = OpenSamples(), OpenCoverage()
        forgotten = np.flatnonzero(self.last_seen_steps > day * STEPS_PER_DAY)
        self.last_seen_steps[forgotten] = _NEVER
        self.kill_limits.forget(forgotten)

    def last_seen(self, size: int) -> NDArray[np.int64]:
        """The last step in which each of *size* series was under pressure."""
        return pad(self.last_seen_steps, size, _NEVER)

    def day_shares(self, number: int, size: int) -> NDArray[np.float64]:
        """The sum over one day's steps of the shares of each of *size* series."""
        return pad(self.days[number], size, 0) / _PARTS_PER_UNIT

    def _forget_old_days(self, newest_step: int) -> None:
        oldest = day_of(newest_step) - REMEMBERED_DAYS + 1
        self.days = {number: day for number, day in self.days.items() if number >= oldest}
        self.coverage.forget_before(oldest)

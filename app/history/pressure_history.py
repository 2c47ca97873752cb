"""CPU throttling or OOM kills by day and series.

Shares are stored as measured, and `app.recommendation.pressure` derives a raise from them, so samples that
are read twice or in another order give the same raise. Only the days that a new leader queries again are
kept, so a restart changes nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.coverage import Coverage
from app.history.key_ranges import Keys
from app.history.padding import pad
from app.history.samples import STEPS_PER_DAY, PressureSamples, StepRange, day_of, merge_adjacent

REMEMBERED_DAYS = 3  # today and the two days before it

_NEVER = -(1 << 40)
# Shares are summed as integers, so that the sum does not depend on the order.
_PARTS_PER_UNIT = 10_000


class PressureHistory:
    """The last days of one kind of pressure; a series is one container of one workload, replicas pooled."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.days: dict[int, NDArray[np.int64]] = {}  # the sum of shares of each series, in 1 / 10,000
        self.last_seen_steps = np.empty(0, dtype=np.int64)  # the last step with pressure, by series

    def missing(
        self, measured: Coverage, newest_step: int, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> list[StepRange]:
        """The steps of the remembered days to query for *namespaces*, newest first.

        *measured* has the steps for which usage was read. Other steps are not queried: without usage there is
        no series to which pressure belongs.
        """
        today, missing = day_of(newest_step), []
        for number in range(today - REMEMBERED_DAYS + 1, today + 1):
            open_steps = measured.covered_for(number, namespaces) & ~self.coverage.covered_for(
                number, namespaces
            )
            missing += [number * STEPS_PER_DAY + 1 + int(column) for column in np.flatnonzero(open_steps)]
        return merge_adjacent(StepRange(step, step) for step in missing if step <= newest_step)

    def fold(self, samples: PressureSamples, series: NDArray[np.int64], keys: Keys) -> None:
        """Fold one whole query result.

        *series* is the series of each of its containers, -1 for a Pod without a known workload; *keys* are
        the keys of their workloads.
        """
        is_owned = series[samples.rows] >= 0
        owners, steps = series[samples.rows][is_owned], samples.at_steps[is_owned]
        parts = np.round(np.clip(samples.shares[is_owned], 0, 1) * _PARTS_PER_UNIT).astype(np.int64)
        self.last_seen_steps = pad(self.last_seen_steps, int(series.max(initial=-1)) + 1, _NEVER)
        uncovered = self.coverage.uncovered_pairs(keys[samples.rows][is_owned], steps)
        for part in samples.steps.by_day():
            is_new = (steps >= part.first) & (steps <= part.last) & uncovered
            day = pad(self.days.get(day_of(part.first), steps[:0]), len(self.last_seen_steps), 0)
            np.add.at(day, owners[is_new], parts[is_new])
            np.maximum.at(self.last_seen_steps, owners[is_new], steps[is_new])
            self.days[day_of(part.first)] = day
        self.coverage.add(samples.steps, samples.answered)
        self._forget_old_days(samples.steps.last)

    def select(self, series: NDArray[np.int64]) -> "PressureHistory":
        """The pressure of *series* only, renumbered from 0 in that order; coverage is not copied."""
        size, part = int(series.max(initial=-1)) + 1, PressureHistory()
        part.days = {number: pad(day, size, 0)[series] for number, day in self.days.items()}
        part.last_seen_steps = self.last_seen(size)[series]
        return part

    def keep(self, series: NDArray[np.int64]) -> None:
        """Drop all other series; *series* are renumbered from 0 in that order."""
        kept = self.select(series)
        self.days, self.last_seen_steps = kept.days, kept.last_seen_steps

    def merge(self, targets: NDArray[np.int64]) -> None:
        """Add series k to series `targets[k]`; one that moves is left without pressure."""
        size = len(targets)
        days, last = {}, np.full(size, _NEVER)
        for number, day in self.days.items():
            days[number] = np.zeros(size, dtype=np.int64)
            np.add.at(days[number], targets[: len(day)], day)
        np.maximum.at(last, targets, self.last_seen(size))
        self.days, self.last_seen_steps = days, last

    def replace_with(self, parts: Sequence["PressureHistory"], sizes: Sequence[int]) -> None:
        """Replace the pressure by that of all *parts*; coverage is unchanged.

        The series of each part are numbered after the *sizes* of the parts before it.
        """
        sized = list(zip(parts, sizes, strict=True))
        self.last_seen_steps = np.concatenate([part.last_seen(size) for part, size in sized])
        empty = self.last_seen_steps[:0]
        self.days = {
            number: np.concatenate([pad(part.days.get(number, empty), size, 0) for part, size in sized])
            for number in sorted({number for part in parts for number in part.days})
        }

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

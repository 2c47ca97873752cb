"""Open steps: the newest ones, with samples that may still be on their way to the source.

An open step is read again at every new step. Its samples stay raw until it has settled, since a histogram
only adds; check-points have none of them. A step is folded with the first answer that is asked for after it
has settled, so that every sample of up to ten minutes of age is in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.namespaces import EVERY_NAMESPACE, NamespaceSelection
from app.history.coverage import Coverage
from app.history.key_ranges import KeyRange, Keys, are_of
from app.history.samples import PodContainer, StepRange

# The steps after the last settled one: their samples may be up to ten minutes behind.
OPEN_STEPS = 2


@dataclass(frozen=True, slots=True)
class Settlement:
    """The last step of an answer's cycle, and the last one that has settled."""

    newest_step: int
    settled_step: int

    def settled_part(self, steps: StepRange) -> StepRange:
        """The settled ones of *steps*; the range may be empty."""
        return StepRange(steps.first, max(min(steps.last, self.settled_step), steps.first - 1))

    def open_part(self, steps: StepRange) -> StepRange:
        """The open ones of *steps*; the range may be empty."""
        return StepRange(min(max(steps.first, self.settled_step + 1), steps.last + 1), steps.last)


def all_settled(steps: StepRange) -> Settlement:
    """The settlement of an answer on the past: none of its *steps* is open."""
    return Settlement(steps.last, steps.last)


def container_ids(containers: Sequence[PodContainer]) -> NDArray[np.int64]:
    """A number for each container; two containers share one with a chance of 2^-64.

    It is valid within one process, like the open steps.
    """
    return np.fromiter(map(hash, containers), dtype=np.int64, count=len(containers))


class SampleRows(NamedTuple):
    """The container of each row of an answer, its series, and the key of the series' workload."""

    containers: NDArray[np.int64]
    series: NDArray[np.int64]
    keys: Keys

    def where(self, selected: NDArray[np.bool_]) -> "SampleRows":
        """The selected rows."""
        return SampleRows(self.containers[selected], self.series[selected], self.keys[selected])


class StepSamples(NamedTuple):
    """The samples of one step."""

    rows: SampleRows
    values: NDArray[np.float64]

    def where(self, selected: NDArray[np.bool_]) -> "StepSamples":
        """The selected samples."""
        return StepSamples(self.rows.where(selected), self.values[selected])


@dataclass(slots=True)
class OpenSamples:
    """The samples of the open steps, at most one per container and step."""

    steps: dict[int, StepSamples] = field(default_factory=dict)

    def counts(self, size: int) -> NDArray[np.int64]:
        """The number of samples of each of *size* series."""
        counts = np.zeros(size, dtype=np.int64)
        for samples in self.steps.values():
            counts += np.bincount(samples.rows.series, minlength=size)
        return counts

    def put(self, step: int, samples: StepSamples) -> None:
        """Add *samples*; each replaces the one that its container had."""
        before = self.steps.get(step)
        if before is None:
            self.steps[step] = samples
            return
        kept = before.where(~np.isin(before.rows.containers, samples.rows.containers))
        rows = SampleRows(*map(np.concatenate, zip(kept.rows, samples.rows, strict=True)))
        self.steps[step] = StepSamples(rows, np.concatenate((kept.values, samples.values)))

    def take(
        self, steps: StepRange, namespaces: NamespaceSelection = EVERY_NAMESPACE
    ) -> Iterator[tuple[int, StepSamples]]:
        """Remove the samples of *namespaces* in *steps*, and yield those of each step."""
        for step in [step for step in self.steps if steps.first <= step <= steps.last]:
            samples = self.steps.pop(step)
            taken = are_of(namespaces, samples.rows.keys)
            if not taken.all():
                self.steps[step] = samples.where(~taken)
            yield step, samples.where(taken)

    def keep(self, series: NDArray[np.int64]) -> None:
        """Drop all other series; *series* are renumbered from 0 in that order."""
        for step, samples in self.steps.items():
            size = max(int(samples.rows.series.max(initial=-1)), int(series.max(initial=-1))) + 1
            numbers = np.full(size, -1, dtype=np.int64)
            numbers[series] = np.arange(len(series))
            renumbered = samples.rows._replace(series=numbers[samples.rows.series])
            self.steps[step] = StepSamples(renumbered, samples.values).where(renumbered.series >= 0)

    def merge(self, targets: NDArray[np.int64]) -> None:
        """Move the samples of series k to series `targets[k]`."""
        for step, samples in self.steps.items():
            moved = samples.rows._replace(series=targets[samples.rows.series])
            self.steps[step] = StepSamples(moved, samples.values)


class OpenCoverage:
    """The open steps that were read since the newest step ended; after the next step they are missing."""

    def __init__(self) -> None:
        self._newest_step = 0
        self._read = Coverage()

    def as_of(self, newest_step: int) -> Coverage:
        """What was read as of *newest_step*."""
        return self._read if newest_step == self._newest_step else Coverage()

    @property
    def newest_step(self) -> int:
        """The newest step that was read; 0 if there is none."""
        return self._read.newest_step

    def add(self, steps: StepRange, namespaces: NamespaceSelection, newest_step: int) -> None:
        """Mark the open *steps* as read as of *newest_step* for all keys of *namespaces*."""
        self._read, self._newest_step = self.as_of(newest_step), newest_step
        if steps:
            self._read.add(steps, namespaces)

    def forget(self, keys: KeyRange) -> None:
        """Mark all steps of *keys* as missing."""
        self._read.forget(keys)

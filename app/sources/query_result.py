"""What a range query gave: series with the points that they have, and matrices made of them; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.history.samples import StepRange

Key = tuple[str, ...]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class SeriesMatrix:
    """`values[i, j]` belongs to the series with the label values `keys[i]` at the j-th step.

    It is NaN where there is no sample; `unusable` counts samples that were no usable number.
    """

    keys: tuple[Key, ...]
    values: NDArray[np.float64]
    unusable: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class QueryResult:
    """Each point lies in `rows[k]` (an index of `keys`, rising) at step `steps.first + columns[k]`.

    A point that is no usable number (NaN, infinite, negative) is NaN here. Pods come and go: as a matrix over
    days they would be mostly empty, so one is made of few steps at a time.
    """

    keys: tuple[Key, ...]
    steps: StepRange
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    samples: NDArray[np.float64]
    loaded_samples: int = 0  # by the server, where it tells

    @property
    def unusable(self) -> int:
        """How many points are no usable number."""
        return int(np.count_nonzero(np.isnan(self.samples)))

    def matrix(self) -> SeriesMatrix:
        """All series at all steps."""
        values = np.full((len(self.keys), len(self.steps)), np.nan)
        values[self.rows, self.columns] = self.samples
        return SeriesMatrix(self.keys, values, self.unusable)

    def within(self, steps: StepRange) -> SeriesMatrix:
        """The series that have a point in *steps*, at these steps."""
        first = steps.first - self.steps.first
        inside = (self.columns >= first) & (self.columns < first + len(steps))
        rows, samples = self.rows[inside], self.samples[inside]
        present = np.zeros(len(self.keys), dtype=np.bool_)
        present[rows] = True
        values = np.full((np.count_nonzero(present), len(steps)), np.nan)
        values[(np.cumsum(present) - 1)[rows], self.columns[inside] - first] = samples
        keys = tuple(self.keys[row] for row in np.flatnonzero(present))
        return SeriesMatrix(keys, values, int(np.count_nonzero(np.isnan(samples))))


def joined_series(answers: Sequence[QueryResult]) -> QueryResult:
    """The answers on different series at the same steps as one."""
    if len(answers) == 1:
        return answers[0]
    begins = np.cumsum([0, *(len(each.keys) for each in answers)], dtype=np.int32)
    return QueryResult(
        tuple(chain.from_iterable(each.keys for each in answers)),
        answers[0].steps,
        joined([each.rows + begin for each, begin in zip(answers, begins[:-1], strict=True)], np.int32),
        joined([each.columns for each in answers], np.int32),
        joined([each.samples for each in answers], np.float64),
        sum(each.loaded_samples for each in answers),
    )


def joined_matrices(parts: Sequence[SeriesMatrix]) -> SeriesMatrix:
    """Different series at the same steps as one."""
    if len(parts) == 1:
        return parts[0]
    keys = tuple(chain.from_iterable(part.keys for part in parts))
    values = np.concatenate([part.values for part in parts])
    return SeriesMatrix(keys, values, sum(part.unusable for part in parts))


def joined(arrays: Sequence[NDArray[T]], kind: type[T]) -> NDArray[T]:
    """One array of all; an empty one of none."""
    return np.concatenate(arrays) if len(arrays) else np.empty(0, dtype=kind)

"""Results of range queries: series with their points, and matrices of them; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.history.samples import StepRange

Key = tuple[str, ...]
# In the place of a label's name: all labels of a series, as JSON.
EVERY_LABEL = "*"
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class SeriesMatrix:
    """`values[i, j]` is the sample at the j-th step of the series with the label values `keys[i]`.

    It is NaN if there is no sample; `unusable` counts samples that are no usable number, and `left_out` the
    series over the limit of rows, by the namespace that reports them.
    """

    keys: tuple[Key, ...]
    values: NDArray[np.float64]
    unusable: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class QueryResult:
    """Point k belongs to series `rows[k]` (an index of `keys`, rising), at step `steps.first + columns[k]`.

    A point that is no usable number (NaN, infinite, negative) is NaN here. Since Pods come and go, a matrix
    over days would be mostly empty; a matrix is made of few steps at a time.
    """

    keys: tuple[Key, ...]
    steps: StepRange
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    samples: NDArray[np.float64]
    loaded_samples: int = 0  # by the server; 0 if it reports no number
    dropped_series: int = 0  # series without any usable number in the response
    left_out: Mapping[str, int] = field(default_factory=dict)  # series over the limit, by namespace

    @property
    def unusable(self) -> int:
        """The number of points that are no usable number, and of dropped series."""
        return int(np.count_nonzero(np.isnan(self.samples))) + self.dropped_series

    def select(self, is_selected: NDArray[np.bool_]) -> "QueryResult":
        """The selected series, in the same order."""
        inside = is_selected[self.rows]
        keys = tuple(self.keys[row] for row in np.flatnonzero(is_selected))
        rows = (np.cumsum(is_selected, dtype=np.int32) - 1)[self.rows[inside]].astype(np.int32)
        return replace(self, keys=keys, rows=rows, columns=self.columns[inside], samples=self.samples[inside])

    def matrix(self) -> SeriesMatrix:
        """All series at all steps."""
        values = np.full((len(self.keys), len(self.steps)), np.nan)
        values[self.rows, self.columns] = self.samples
        return SeriesMatrix(self.keys, values, self.unusable, self.left_out)

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
        return SeriesMatrix(keys, values, int(np.count_nonzero(np.isnan(samples))) + self.dropped_series)


def points_by_name(
    result: QueryResult, names: Sequence[Key]
) -> tuple[tuple[Key, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The different *names* of series, the points of these, and the place of each sample among the points."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    series = np.array([numbers[name] for name in names], dtype=np.int64)
    return tuple(numbers), *_distinct(series[result.rows] * len(result.steps) + result.columns)


def _distinct(points: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different *points*, rising, and the place of each among them.

    `np.unique` takes three times as long, since it does not see that the points of a result are in order.
    """
    order = np.argsort(points, kind="stable")
    ordered = points[order]
    are_first = np.ones(len(points), dtype=np.bool_)
    are_first[1:] = ordered[1:] != ordered[:-1]
    places = np.empty(len(points), dtype=np.int64)
    places[order] = np.cumsum(are_first) - 1
    return ordered[are_first], places


def largest_of_key(result: QueryResult) -> QueryResult:
    """One series for each key: the largest sample at each step, of series that have the same key."""
    if len(set(result.keys)) == len(result.keys):
        return result
    keys, points, place = points_by_name(result, result.keys)
    samples = np.full(len(points), np.nan)
    np.fmax.at(samples, place, result.samples)
    return with_points(result, keys, points, samples)


def with_points(
    result: QueryResult, keys: tuple[Key, ...], points: NDArray[np.int64], samples: NDArray[np.float64]
) -> QueryResult:
    """The result with the *samples* at these *points*, in place of its own."""
    rows, columns = np.divmod(points, len(result.steps))
    return replace(
        result, keys=keys, rows=rows.astype(np.int32), columns=columns.astype(np.int32), samples=samples
    )


def concatenate_results(results: Sequence[QueryResult]) -> QueryResult:
    """Joins results on different series at the same steps."""
    if len(results) == 1:
        return results[0]
    first_rows = np.cumsum([0, *(len(result.keys) for result in results)], dtype=np.int32)[:-1]
    rows = [result.rows + first_row for result, first_row in zip(results, first_rows, strict=True)]
    return QueryResult(
        tuple(chain.from_iterable(result.keys for result in results)),
        results[0].steps,
        concatenate(rows, np.int32),
        concatenate([result.columns for result in results], np.int32),
        concatenate([result.samples for result in results], np.float64),
        sum(result.loaded_samples for result in results),
        sum(result.dropped_series for result in results),
    )


def concatenate_matrices(matrices: Sequence[SeriesMatrix]) -> SeriesMatrix:
    """Joins matrices of different series at the same steps."""
    if len(matrices) == 1:
        return matrices[0]
    keys = tuple(chain.from_iterable(matrix.keys for matrix in matrices))
    values = np.concatenate([matrix.values for matrix in matrices])
    return SeriesMatrix(keys, values, sum(matrix.unusable for matrix in matrices))


def concatenate(arrays: Sequence[NDArray[T]], kind: type[T]) -> NDArray[T]:
    """Joins arrays; an empty array if there are none."""
    return np.concatenate(arrays) if len(arrays) else np.empty(0, dtype=kind)

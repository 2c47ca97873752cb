"""CPU of containers from rates and slopes, of all cores or of single ones; pure.

The kubelet's cAdvisor has one series for all cores of a container, with `cpu="total"`; others have one for
each core. The server adds up nothing: a second aggregation would cost it as much as the first.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.fair_shares import take_turns
from app.history.samples import StepRange
from app.sources.planning import STEPS_PER_HOUR
from app.sources.query_result import Key, QueryResult, concatenate_results

_ALL_CORES = frozenset({"", "total"})
# VictoriaMetrics refuses queries of more than 16 KiB. A query has the names twice, and namespaces too.
_NAMES_CHARACTERS = 6_000
# So no tenant's Pods make more than about twenty queries for an hour of steps.
MOST_YOUNG_PODS_PER_HOUR = 2_000


class YoungPods(NamedTuple):
    """Pods with young series, and the steps in which these are young."""

    pods: tuple[str, ...]
    steps: StepRange


def young_pods(result: QueryResult) -> list[YoungPods]:
    """The Pods that *result* marks, in the order of their steps, in parts of which each fits into a query.

    If more begin in an hour than the limit, namespaces take turns: the other Pods keep their rates.
    """
    marks = result.select(_are_marks(result))
    seen: dict[tuple[str, str], list[int]] = {}
    for row, column in zip(marks.rows.tolist(), marks.columns.tolist(), strict=True):
        seen.setdefault(marks.keys[row][:2], []).append(marks.steps.first + column)
    hours: dict[int, list[tuple[str, str]]] = {}
    for pod in sorted(seen):
        hours.setdefault(min(seen[pod]) // STEPS_PER_HOUR, []).append(pod)
    return [
        YoungPods(tuple(sorted({name for _, name in part})), _range_of(seen[pod] for pod in part))
        for _, pods in sorted(hours.items())
        for part in _parts(take_turns(pods, itemgetter(0), MOST_YOUNG_PODS_PER_HOUR))
    ]


def _parts(pods: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """The *pods* in parts whose names are short enough for one query."""
    part: list[tuple[str, str]] = []
    characters = 0
    for pod in pods:
        characters += len(pod[1]) + 1
        if characters > _NAMES_CHARACTERS and part:
            yield part
            part, characters = [], len(pod[1])
        part.append(pod)
    if part:
        yield part


def _range_of(steps: Iterable[Sequence[int]]) -> StepRange:
    numbers = [number for several in steps for number in several]
    return StepRange(min(numbers), max(numbers))


def usage_of_containers(result: QueryResult, slopes: Sequence[QueryResult]) -> QueryResult:
    """One series per container, of *result* with marks and the *slopes* of what it marks.

    Where a container and core has both, the larger counts: a rate is never above the slope of the same
    samples, but there may be another series.
    """
    are_marks = _are_marks(result)
    rates = result.select(~are_marks) if slopes else result
    rates = replace(rates, keys=tuple(key[:-1] for key in rates.keys))
    marked = _points(result.select(are_marks))
    parts = [_select_marked(each, marked) for each in slopes]
    return add_up_cores(_larger(rates, parts) if parts else rates)


def _points(marks: QueryResult) -> frozenset[tuple[Key, int]]:
    """The series, without the mark, and the step of each point."""
    points = zip(marks.rows.tolist(), marks.columns.tolist(), strict=True)
    return frozenset((marks.keys[row][:-1], marks.steps.first + column) for row, column in points)


def _select_marked(slopes: QueryResult, marked: Collection[tuple[Key, int]]) -> QueryResult:
    """The *slopes* at marked points: a Pod has older series too, and others may have its name."""
    points = zip(slopes.rows.tolist(), slopes.columns.tolist(), strict=True)
    kept = [(slopes.keys[row], slopes.steps.first + column) in marked for row, column in points]
    return replace(slopes, rows=slopes.rows[kept], columns=slopes.columns[kept], samples=slopes.samples[kept])


def _are_marks(result: QueryResult) -> NDArray[np.bool_]:
    return np.array([bool(mark) for *_, mark in result.keys], dtype=np.bool_)


def _larger(rates: QueryResult, slopes: Sequence[QueryResult]) -> QueryResult:
    """The larger of both at each step; those of *slopes* are a part of the steps."""
    first = rates.steps.first
    joined = concatenate_results(
        [rates, *(replace(each, columns=each.columns + (each.steps.first - first)) for each in slopes)]
    )
    keys, points, place = _by_name(joined, joined.keys)
    usage = np.full(len(points), np.nan)
    np.fmax.at(usage, place, joined.samples)
    return _with_points(joined, keys, points, usage)


def add_up_cores(result: QueryResult) -> QueryResult:
    """One series per container, of keys whose last value is that of the label `cpu`.

    Where a container has both kinds of series, the larger usage counts.
    """
    names = [key[:-1] for key in result.keys]
    of_all_cores = np.array([core in _ALL_CORES for *_, core in result.keys], dtype=np.bool_)
    if of_all_cores.all() and len(set(names)) == len(names):
        return replace(result, keys=tuple(names))
    keys, points, place = _by_name(result, names)
    is_total = of_all_cores[result.rows]
    usage = np.zeros(len(points))
    np.add.at(usage, place[~is_total], result.samples[~is_total])
    np.maximum.at(usage, place[is_total], result.samples[is_total])
    return _with_points(result, keys, points, usage)


def _by_name(
    result: QueryResult, names: Sequence[Key]
) -> tuple[tuple[Key, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The different *names* of series, the points of these, and the place of each sample among the points."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    series = np.array([numbers[name] for name in names], dtype=np.int64)
    points, place = np.unique(series[result.rows] * len(result.steps) + result.columns, return_inverse=True)
    return tuple(numbers), points, place


def _with_points(
    result: QueryResult, keys: tuple[Key, ...], points: NDArray[np.int64], usage: NDArray[np.float64]
) -> QueryResult:
    rows, columns = np.divmod(points, len(result.steps))
    return replace(
        result, keys=keys, rows=rows.astype(np.int32), columns=columns.astype(np.int32), samples=usage
    )

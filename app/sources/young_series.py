"""Questions on a few Pods that a result names, such as the slopes of series younger than two steps; pure.

`rate` divides by the whole step, also for a container that ran for a part of it. The slope between the first
and the last sample seen needs the times of samples, which take a server 30 times as long as a rate. A query
therefore marks young series, and one more asks for their slopes by the names of their Pods.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.fair_shares import take_turns
from app.history.samples import STEPS_PER_HOUR, StepRange
from app.sources.queries import YOUNG, escape_label_value, escape_regex
from app.sources.query_result import Key, QueryResult, concatenate_results, largest_of_key

# VictoriaMetrics refuses queries of more than 16 KiB. A query has the names up to four times.
_NAMES_CHARACTERS = 3_500
# So no tenant's Pods make more than about thirty queries for an hour of steps.
MOST_YOUNG_PODS_PER_HOUR = 2_000


class PodsOfSteps(NamedTuple):
    """Pods with points in any of *namespaces*, such as marks of young series, and the steps of these."""

    namespaces: frozenset[str]
    pods: tuple[str, ...]
    steps: StepRange


def with_rates(result: QueryResult) -> QueryResult:
    """The *result* without marks at points where their container has no rate: one sample has no slope."""
    numbers: dict[Key, int] = {}
    series = np.array([numbers.setdefault(key[:-1], len(numbers)) for key in result.keys], dtype=np.int64)
    points = series[result.rows] * len(result.steps) + result.columns
    kept = ~_are_marks(result)[result.rows]
    kept[~kept] = np.isin(points[~kept], points[kept])
    return replace(result, rows=result.rows[kept], columns=result.columns[kept], samples=result.samples[kept])


def young_pods(result: QueryResult) -> list[PodsOfSteps]:
    """The Pods that *result* marks; those over the limit keep their rates."""
    return pods_of(result.select(_are_marks(result)))


def pods_of(points: QueryResult) -> list[PodsOfSteps]:
    """The Pods of *points*, in the order of their steps, in parts of which each fits into a query.

    If more begin in an hour than the limit, namespaces take turns: the other Pods are left out.
    """
    seen: dict[tuple[str, str], list[int]] = {}
    for row, column in zip(points.rows.tolist(), points.columns.tolist(), strict=True):
        seen.setdefault(points.keys[row][:2], []).append(points.steps.first + column)
    hours: dict[int, list[tuple[str, str]]] = {}
    for pod in sorted(seen):
        hours.setdefault(min(seen[pod]) // STEPS_PER_HOUR, []).append(pod)
    return [
        PodsOfSteps(
            frozenset(namespace for namespace, _ in part),
            tuple(sorted({name for _, name in part})),
            _range_of(seen[pod] for pod in part),
        )
        for _, pods in sorted(hours.items())
        for part in _parts(take_turns(pods, itemgetter(0), MOST_YOUNG_PODS_PER_HOUR))
    ]


def _parts(pods: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """The *pods* in parts whose names, with those of their namespaces, are short enough for one query."""
    part: list[tuple[str, str]] = []
    names: set[str] = set()
    characters = 0
    for pod in pods:
        added = _characters(set(pod) - names)
        if part and characters + added > _NAMES_CHARACTERS:
            yield part
            part, names, characters, added = [], set(), 0, _characters(set(pod))
        part.append(pod)
        names.update(pod)
        characters += added
    if part:
        yield part


def _characters(names: Iterable[str]) -> int:
    """The length of *names* in the pattern of a matcher, with a separator each."""
    return sum(len(escape_label_value(escape_regex(name))) + 1 for name in names)


def _range_of(steps: Iterable[Sequence[int]]) -> StepRange:
    numbers = [number for several in steps for number in several]
    return StepRange(min(numbers), max(numbers))


def with_slopes(result: QueryResult, slopes: Sequence[QueryResult]) -> QueryResult:
    """The *result* without marks, with the *slopes* of what it marks where these are larger.

    The last value of a mark's key is `YOUNG`, in place of the one in the keys of the others and of slopes.
    A rate is never above the slope of the same samples, but there may be another series.
    """
    are_marks = _are_marks(result)
    if not slopes:
        return result.select(~are_marks) if are_marks.any() else result
    marked = _points(result.select(are_marks))
    return _larger(result.select(~are_marks), [_select_marked(each, marked) for each in slopes])


def _points(marks: QueryResult) -> frozenset[tuple[Key, int]]:
    """The container, or a core of it, and the step of each point."""
    points = zip(marks.rows.tolist(), marks.columns.tolist(), strict=True)
    return frozenset((marks.keys[row][:-1], marks.steps.first + column) for row, column in points)


def _select_marked(slopes: QueryResult, marked: Collection[tuple[Key, int]]) -> QueryResult:
    """The *slopes* at marked points: a Pod has older series too, and others may have its name."""
    points = zip(slopes.rows.tolist(), slopes.columns.tolist(), strict=True)
    kept = [(slopes.keys[row][:-1], slopes.steps.first + column) in marked for row, column in points]
    return replace(slopes, rows=slopes.rows[kept], columns=slopes.columns[kept], samples=slopes.samples[kept])


def _are_marks(result: QueryResult) -> NDArray[np.bool_]:
    return np.array([last == YOUNG for *_, last in result.keys], dtype=np.bool_)


def _larger(rates: QueryResult, slopes: Sequence[QueryResult]) -> QueryResult:
    """The larger of both at each step; those of *slopes* are a part of the steps."""
    first = rates.steps.first
    return largest_of_key(
        concatenate_results(
            [rates, *(replace(each, columns=each.columns + (each.steps.first - first)) for each in slopes)]
        )
    )

"""CPU of containers from rates and slopes, of all cores or of single ones; pure.

The kubelet's cAdvisor has one series for all cores of a container, with `cpu="total"`; others have one for
each core. The server neither adds up cores nor compares rates with slopes: each would cost it as much as the
rates.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.sources.query_result import Key, QueryResult

_ALL_CORES = frozenset({"", "total"})


def usage_of_containers(result: QueryResult) -> QueryResult:
    """One series per container, of keys whose last values are those of the labels of cores and of slopes."""
    return add_up_cores(_larger_of_both(result))


def _larger_of_both(result: QueryResult) -> QueryResult:
    """One series per container and core: where it has a slope too, the larger of both counts."""
    names = [key[:-1] for key in result.keys]
    if not any(slope for *_, slope in result.keys):  # the usual case: no container is young
        return replace(result, keys=tuple(names))
    series, points, place = _by_name(result, names)
    usage = np.zeros(len(points))
    np.maximum.at(usage, place, result.samples)
    return _with_points(result, series, points, usage)


def add_up_cores(result: QueryResult) -> QueryResult:
    """One series per container, of keys whose last value is that of the label `cpu`.

    Where a container has both kinds of series, the larger usage counts.
    """
    names = [key[:-1] for key in result.keys]
    of_all_cores = np.array([core in _ALL_CORES for *_, core in result.keys], dtype=np.bool_)
    if of_all_cores.all() and len(set(names)) == len(names):
        return replace(result, keys=tuple(names))
    series, points, place = _by_name(result, names)
    is_total = of_all_cores[result.rows]
    usage = np.zeros(len(points))
    np.add.at(usage, place[~is_total], result.samples[~is_total])
    np.maximum.at(usage, place[is_total], result.samples[is_total])
    return _with_points(result, series, points, usage)


def _by_name(
    result: QueryResult, names: Sequence[Key]
) -> tuple[tuple[Key, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The different *names*, the points of series with these, and the place of each sample among them."""
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

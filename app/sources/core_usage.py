"""CPU of containers from series of all cores or of single ones; pure.

The kubelet's cAdvisor has one series for all cores of a container, with `cpu="total"`; others have one for
each core. The server adds up nothing: a second aggregation would cost it as much as the first.
"""

from dataclasses import replace

import numpy as np

from app.sources.query_result import QueryResult

_ALL_CORES = frozenset({"", "total"})


def add_up_cores(result: QueryResult) -> QueryResult:
    """One series per container, of keys whose last value is that of the label `cpu`.

    Where a container has both kinds of series, the larger usage counts.
    """
    names = [key[:-1] for key in result.keys]
    of_all_cores = np.array([core in _ALL_CORES for *_, core in result.keys], dtype=np.bool_)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if of_all_cores.all() and len(numbers) == len(names):
        return replace(result, keys=tuple(names))
    series = np.array([numbers[name] for name in names], dtype=np.int64)
    points, place = np.unique(series[result.rows] * len(result.steps) + result.columns, return_inverse=True)
    is_total = of_all_cores[result.rows]
    usage = np.zeros(len(points))
    np.add.at(usage, place[~is_total], result.samples[~is_total])
    np.maximum.at(usage, place[is_total], result.samples[is_total])
    rows, columns = np.divmod(points, len(result.steps))
    return replace(
        result,
        keys=tuple(numbers),
        rows=rows.astype(np.int32),
        columns=columns.astype(np.int32),
        samples=usage,
    )

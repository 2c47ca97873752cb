"""CPU of containers from rates and slopes, of all cores or of single ones; pure.

The kubelet's cAdvisor has one series for all cores of a container, with `cpu="total"`; others have one for
each core. The server adds up nothing: a second aggregation would cost it as much as the first.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.sources.query_result import QueryResult, points_by_name, with_points
from app.sources.young_series import with_slopes

_ALL_CORES = frozenset({"", "total"})


def usage_of_containers(result: QueryResult, slopes: Sequence[QueryResult]) -> QueryResult:
    """One series per container, of *result* with marks and the *slopes* of what it marks."""
    rates = with_slopes(result, slopes)
    return add_up_cores(replace(rates, keys=tuple(key[:-1] for key in rates.keys)))


def add_up_cores(result: QueryResult) -> QueryResult:
    """One series per container, of keys whose last value is that of the label `cpu`.

    Where a container has both kinds of series, the larger usage counts.
    """
    names = [key[:-1] for key in result.keys]
    of_all_cores = np.array([core in _ALL_CORES for *_, core in result.keys], dtype=np.bool_)
    if of_all_cores.all() and len(set(names)) == len(names):
        return replace(result, keys=tuple(names))
    keys, points, place = points_by_name(result, names)
    is_total = of_all_cores[result.rows]
    usage = np.zeros(len(points))
    np.add.at(usage, place[~is_total], result.samples[~is_total])
    np.maximum.at(usage, place[is_total], result.samples[is_total])
    return with_points(result, keys, points, usage)

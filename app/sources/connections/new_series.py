"""The Pods whose proxies began a series: only these need the long query on increases; pure.

Prometheus and its agents write `scrape_series_added` beside `up`: how many series of a scrape the one before
did not have. A new series counts in full, for which a query reads it several times more; of the other Pods
`increase` alone is as right. Where a server does not keep the metric, any Pod may have new series.
"""

from dataclasses import dataclass

import numpy as np

from app.sources.queries import Matchers, Scope, aggregate, equal_matchers, selector
from app.sources.query_result import SeriesMatrix

UP, SERIES_ADDED = "up", "scrape_series_added"
POD = ("pod",)
# The names are in several selectors of each query.
_MAX_PODS, _MAX_CHARACTERS = 50, 600


@dataclass(frozen=True, slots=True)
class PodsWithNewSeries:
    """The Pods with the *matchers* may have new series, and no others; without any, *are_none* is set."""

    matchers: Matchers = ()
    are_none: bool = False


ANY_POD, NO_POD = PodsWithNewSeries(), PodsWithNewSeries(are_none=True)


def new_series_of_pods(targets: Matchers, scope: Scope, *, seconds: int) -> str:
    """The query on the Pods with the most new series in a scrape of the last *seconds*, and their number.

    It has Pods with none where few have any: a server without an answer does not keep the metric.
    """
    added = f"max_over_time({selector(SERIES_ADDED, targets, scope)}[{seconds}s])"
    return f"topk({_MAX_PODS + 1},{aggregate('max', POD, added)})"


def pods_with_new_series(added: SeriesMatrix) -> PodsWithNewSeries:
    """The Pods with new series in any step; any Pod, if a step has no answer or their names are too many."""
    if not np.isfinite(added.values).any(axis=0).all():
        return ANY_POD
    names = {pod for (pod,), numbers in zip(added.keys, added.values, strict=True) if np.nansum(numbers) > 0}
    if not names:
        return NO_POD
    if len(names) > _MAX_PODS or sum(map(len, names)) > _MAX_CHARACTERS:
        return ANY_POD
    return PodsWithNewSeries(equal_matchers("pod", names))

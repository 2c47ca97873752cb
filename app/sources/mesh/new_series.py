"""The Pods whose proxies began a series: only these need the long query on rates; pure.

Prometheus and its agents write `scrape_series_added` beside `up`: how many series of a scrape the one before
did not have. A new series counts in full, for which a query reads each series four times; of the other Pods
`rate` alone is as right. A Pod without the metric may have new series.
"""

from collections.abc import Collection
from dataclasses import dataclass

from app.sources.queries import Matchers, Scope, aggregate, equal_matchers, selector, unequal_matchers

UP, SERIES_ADDED = "up", "scrape_series_added"
# A target of a scraper; its series have these labels, and those of its Pod.
TARGET = ("namespace", "pod", "job", "instance")
POD = ("pod",)
# The names are in each selector of the long query, which is to fit into two questions.
_MAX_PODS, _MAX_CHARACTERS = 50, 1_000


@dataclass(frozen=True, slots=True)
class PodPart:
    """Pods by the *matchers* of their series; without *may_have_new*, none of these series is new."""

    matchers: Matchers = ()
    may_have_new: bool = True


EVERY_POD = PodPart()


def pods_with_new_series(targets: Matchers, scope: Scope, *, seconds: int) -> str:
    """The query on the Pods with a new series in the last *seconds*; if they are many, on some of them."""
    scraped, added = (
        f"max_over_time({selector(metric, targets, scope)}[{seconds}s])" for metric in (UP, SERIES_ADDED)
    )
    by_pod = aggregate("group", POD, f"{scraped} unless on ({','.join(TARGET)}) {added} == 0")
    return f"topk({_MAX_PODS + 1},{by_pod})"


def parts_by_new_series(pods: Collection[str]) -> tuple[PodPart, ...]:
    """All Pods in one part, or in two, of which the second has the names in *pods*."""
    if not pods:
        return (PodPart(may_have_new=False),)
    if len(pods) > _MAX_PODS or sum(map(len, pods)) > _MAX_CHARACTERS:
        return (EVERY_POD,)
    return (
        PodPart(unequal_matchers("pod", pods), may_have_new=False),
        PodPart(equal_matchers("pod", pods)),
    )

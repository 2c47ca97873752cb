"""The labels by which the scrapers of one proxy differ; pure.

Several scrapers may collect one proxy: two PodMonitors, two ports, a pair of Prometheus servers, agents of
which each writes a label of its own. `up` has the labels of targets and scrapers alone, never one that the
proxy gives to its series: a label in which the targets of one Pod differ is that of scrapers, and any other
in which series differ is that of what the proxy counts.
"""

import json
from collections.abc import Iterable
from itertools import chain

from app.sources.connections.conversation import LabeledQuery
from app.sources.connections.new_series import UP
from app.sources.queries import WINDOW, Matchers, Scope, aggregate, selector
from app.sources.query_result import EVERY_LABEL, Key

# A target of a scraper; its series have these labels, and those of its Pod.
TARGET = ("namespace", "pod", "job", "instance")
_ADDRESS = ("job", "instance")
_EXAMPLES = 5  # of each scrape job
# What text of queries is planned for.
LONGEST_SCRAPER_LABELS = (*_ADDRESS, "container", "endpoint", "prometheus_replica", "replica", "x" * 20)


def repeated_targets(targets: Matchers, scope: Scope) -> LabeledQuery:
    """The query on some targets with the same address, with all of their labels.

    They were there at both ends of a step: of a Pod that was relabelled, one series of `up` follows another.
    """
    up = selector(UP, targets, scope)
    lasting = f"({up} and {up} offset {WINDOW})"
    repeated = f"topk by (job)({_EXAMPLES},{aggregate('count', TARGET, lasting)} > 1)"
    query = f"{lasting} and on ({','.join(TARGET)}) {repeated}"
    return LabeledQuery(query, (EVERY_LABEL,), frozenset({EVERY_LABEL}))


def scraper_labels(repeated: Iterable[Key]) -> tuple[str, ...]:
    """The labels in which targets of one Pod differ, from the answer on repeated targets."""
    rows: dict[Key, list[dict[str, str]]] = {}
    for (text,) in repeated:
        labels: dict[str, str] = json.loads(text)
        rows.setdefault(tuple(labels.get(label, "") for label in TARGET), []).append(labels)
    differing = {
        name
        for same in rows.values()
        for name in {*chain.from_iterable(same)}
        if len({labels.get(name, "") for labels in same}) > 1
    }
    return (*_ADDRESS, *sorted(differing))

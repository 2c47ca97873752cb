"""Metrics of collectors, each of which reports connections of many namespaces: which ones count; pure.

Any Pod that is scraped can expose such metrics. Scraping sets the label `namespace`: series count of the
namespaces of collectors only, and those of others are counted as left out.

A source is observed in the steps in which a collector was scraped. Series that are pushed have no `up`: a
source is observed in the steps in which any series has samples then. The sources are those of the last day,
since collectors drop the series of an edge after a quarter of an hour without a request.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.history.samples import STEP_SECONDS, DroppedEdges, EdgeFault, StepRange
from app.sources.connections.conversation import LabeledQuery, QueryBatch
from app.sources.connections.counters import WINDOWS_PER_RATE, ProxyCounters, ProxySeries
from app.sources.connections.new_series import POD, UP, new_series_of_pods, pods_with_new_series
from app.sources.connections.scrapers import (
    LONGEST_SCRAPER_LABELS,
    TARGET,
    repeated_targets,
    scraper_labels,
)
from app.sources.queries import (
    LOAD_LABELS,
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
    equal_matchers,
    escape_label_value,
    escape_regex,
    selector,
    unequal_matchers,
)
from app.sources.query_result import Key, SeriesMatrix

JOB = ("job",)
NAMESPACE = "namespace"
_OF_POD = 'pod!=""'
# Collectors expose a series for at least 15 minutes after its last event.
_SOURCES = "[1d:15m]"
_SCRAPES_WITHOUT_UP = 2  # as many as a rate needs
_NOTHING = '="/"'  # no label has the value


@dataclass(frozen=True, slots=True)
class NamespaceLabels:
    """The labels with the namespace of a source: *name*, or *other* where that is empty.

    With *suffix*, a regular expression, the value of *other* is the namespace and more.
    """

    name: str
    other: str
    suffix: str = ""

    def named(self, series: str) -> str:
        """The *series* with the namespace as their label `namespace`, which is not one of theirs."""
        pattern = f"([^/:]+){self.suffix}" if self.suffix else "(.*)"
        series = f'label_replace({series},"{NAMESPACE}","$1","{self.other}","{pattern}")'
        return f'label_replace({series},"{NAMESPACE}","$1","{self.name}","(.+)")'

    def matchers(self, scope: Scope, shard: Shard) -> tuple[Matchers, ...]:
        """Matchers of disjoint series: together those of the sources in *shard* that are not excluded.

        Sources without a namespace are in the shard that has all namespaces but some.
        """
        selection = replace(scope, included=None).within(shard)
        unnamed, named = f'{self.name}=""', f'{self.name}!=""'
        if selection.included is None:
            excluded = selection.excluded
            if not excluded:
                return ((),)
            of_name = unequal_matchers(self.name, excluded)
            return (named, *of_name), (unnamed, *self._of_other("!", excluded))
        names = [name for name in selection.included if selection.covers(name)]
        if not names:
            return ((f"{self.name}{_NOTHING}",),)
        return equal_matchers(self.name, names), (unnamed, *self._of_other("=", names))

    def _of_other(self, sign: str, names: Iterable[str]) -> Matchers:
        if not self.suffix:
            return unequal_matchers(self.other, names) if sign == "!" else equal_matchers(self.other, names)
        pattern = f"({'|'.join(map(escape_regex, sorted(names)))}){self.suffix}"
        return (f'{self.other}{sign}~"{escape_label_value(pattern)}"',)


@dataclass(frozen=True, slots=True)
class CollectorMetric:
    """A counter of collectors, of the series that match *matchers*."""

    name: str
    matchers: Matchers = ()


@dataclass(frozen=True, slots=True)
class Collectors:
    """The collectors in *namespaces* that have some of *metrics*, and the labels of these.

    With *may_push*, series without the label `namespace` count too: a target's always have it.
    """

    metrics: tuple[CollectorMetric, ...]
    source_labels: tuple[str, ...]
    destination_labels: tuple[str, ...]
    namespace_labels: NamespaceLabels
    series: ProxySeries
    namespaces: frozenset[str]
    may_push: bool = False

    @property
    def edge_labels(self) -> tuple[str, ...]:
        """The labels of a rate: the namespace of the source, the source's and the destination's labels."""
        return (NAMESPACE, *self.source_labels, *self.destination_labels)

    @property
    def trusted(self) -> Matchers:
        """The matchers of series and targets of collectors."""
        return equal_matchers(NAMESPACE, [*self.namespaces, *([""] if self.may_push else [])])

    @property
    def _others(self) -> Matchers:
        return unequal_matchers(NAMESPACE, [*self.namespaces, *([""] if self.may_push else [])])

    def load(self, scope: Scope, clusters: Sequence[str], *, rates: int) -> LabeledQuery:
        """The samples that a batch of *rates* loads per step, by the namespace of the source."""
        labels = (self.namespace_labels.name, self.namespace_labels.other, *clusters)
        counts = " or ".join(
            aggregate("sum", labels, f"count_over_time({self._selector(metric, scope)}[{WINDOW}])")
            for metric in self.metrics
        )
        of_sources = (*LOAD_LABELS, *clusters)
        total = aggregate("sum", of_sources, self.namespace_labels.named(counts))
        query = f"{rates * WINDOWS_PER_RATE} * {total}"
        return LabeledQuery(query, of_sources, frozenset(of_sources))

    def reporters(self, scope: Scope, pod_label: str) -> str:
        """The series with the namespace and the Pod of their source."""
        every = " or ".join(self._selector(metric, scope) for metric in self.metrics)
        return self.namespace_labels.named(f'label_replace({every},"pod","$1","{pod_label}","(.*)")')

    def presence(self, scope: Scope, steps: StepRange, *extra: LabeledQuery) -> QueryBatch:
        """The queries on the scrape jobs with these metrics, on their scrapers, on new series, and *extra*.

        Another is on the number of edges that other namespaces report.
        """
        of_jobs = " or ".join(
            aggregate("group", JOB, self._selector(metric, scope)) for metric in self.metrics
        )
        targets = f"{selector(UP, (*self.trusted, _OF_POD), scope)} and on ({','.join(TARGET)}) "
        targets += f"({' or '.join(self._selector(metric, scope) for metric in self.metrics)})"
        several = aggregate("count", (NAMESPACE, "pod"), targets)
        parts = (
            LabeledQuery(of_jobs, JOB, frozenset(JOB)),
            repeated_targets((*self.trusted, _OF_POD), scope),
            LabeledQuery(f"group({several} > 1)", ()),
            LabeledQuery(new_series_of_pods(self.trusted, scope, seconds=STEP_SECONDS), POD),
            LabeledQuery(self._edges_of_others(scope), (NAMESPACE,), frozenset({NAMESPACE})),
            *extra,
        )
        return QueryBatch(parts, steps, is_of_pods=True)

    def sources(self, scope: Scope, shard: Shard, steps: StepRange) -> QueryBatch:
        """The query on all sources of the last day."""
        labels = self.source_labels
        present = " or ".join(
            aggregate(
                "group", labels, f"count_over_time({self._selector(metric, scope, *matchers)}{_SOURCES})"
            )
            for metric in self.metrics
            for matchers in self.namespace_labels.matchers(scope, shard)
        )
        labels = (NAMESPACE, *labels)
        part = LabeledQuery(self.namespace_labels.named(present), labels, frozenset(labels))
        return QueryBatch((part,), StepRange(steps.last, steps.last), is_of_pods=True)

    def rate(
        self,
        metric: CollectorMetric,
        counters: ProxyCounters,
        shard: Shard,
        *,
        labels: tuple[str, ...] = (),
        rows_per_edge: int = 1,
    ) -> LabeledQuery:
        """The rate per second of *metric* of each edge from a source in *shard*, by *labels* too.

        An edge has *rows_per_edge* values of these at most.
        """
        of_series = (*self.source_labels, *self.destination_labels, *labels)
        rates = " or ".join(
            counters.total(of_series, metric.name, (*metric.matchers, *self.trusted, *matchers))
            for matchers in self.namespace_labels.matchers(counters.scope, shard)
        )
        names = (*self.edge_labels, *labels)
        query = self.namespace_labels.named(f"({rates})")
        return LabeledQuery(query, names, frozenset(names), rows_per_edge)

    def observed(self, counters: ProxyCounters) -> LabeledQuery:
        """The number of scrapes in each step, the maximum of all collectors."""
        scope = counters.scope
        present = " or ".join(self._selector(metric, scope) for metric in self.metrics)
        query = f"max(sum_over_time({selector(UP, counters.targets, scope)}[{WINDOW}]))"
        return LabeledQuery(f"{query} or {_SCRAPES_WITHOUT_UP} * group({present})", ())

    def counters(self, scope: Scope, presence: "Presence") -> ProxyCounters:
        """The counters of the collectors that are there."""
        return ProxyCounters(
            self.series,
            (*self.trusted, *equal_matchers("job", presence.jobs)),
            scope,
            presence.scraper_labels,
            pods_with_new_series(presence.added),
        )

    def longest_rate(self, scope: Scope, shard: Shard, *, labels: tuple[str, ...] = ()) -> int:
        """The length of the longest rate, of collectors that are scraped twice."""
        targets = (*self.trusted, *equal_matchers("job", ["a" * 40, "b" * 40]))
        counters = ProxyCounters(self.series, targets, scope, LONGEST_SCRAPER_LABELS)
        return max(len(self.rate(metric, counters, shard, labels=labels).query) for metric in self.metrics)

    def _edges_of_others(self, scope: Scope) -> str:
        labels = (NAMESPACE, *self.source_labels, *self.destination_labels)
        edges = " or ".join(
            aggregate("group", labels, selector(metric.name, (*metric.matchers, *self._others), scope))
            for metric in self.metrics
        )
        return aggregate("count", (NAMESPACE,), edges)

    def _selector(self, metric: CollectorMetric, scope: Scope, *matchers: str) -> str:
        return selector(metric.name, (*metric.matchers, *self.trusted, *matchers), scope)


@dataclass(frozen=True, slots=True)
class Presence:
    """The answers on `Collectors.presence`: scrape jobs, scrapers, Pods with new series, and other claims."""

    jobs: tuple[str, ...]
    scraper_labels: tuple[str, ...]
    added: SeriesMatrix
    claims: SeriesMatrix

    @classmethod
    def of(cls, answers: Sequence[SeriesMatrix]) -> "Presence":
        """From the first five answers."""
        jobs, repeated, several, added, claims = answers[:5]
        labels = scraper_labels(repeated.keys) if several.keys else ()
        return cls(tuple(job for (job,) in jobs.keys), labels, added, claims)

    @property
    def dropped(self) -> DroppedEdges:
        """The edges that others than collectors report, by their namespace."""
        largest = np.nan_to_num(self.claims.values).max(axis=1, initial=0).astype(int).tolist()
        return Counter(
            {
                (EdgeFault.OTHER_REPORTER, namespace): edges
                for (namespace,), edges in zip(self.claims.keys, largest, strict=True)
            }
        )


def scrapes_of(sources: Collection[Key], observed: SeriesMatrix, steps: int) -> SeriesMatrix:
    """The scrapes of each of *sources*, which are those of the collectors."""
    row = observed.values.max(axis=0) if len(observed.keys) else np.full(steps, np.nan)
    keys = tuple(dict.fromkeys(sources))
    return SeriesMatrix(keys, np.tile(row, (len(keys), 1)))

"""The answers of an examination, read as facts on metrics; what was not answered is unknown, never absent."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from app.diagnosis.catalogue import MAIN_METRICS, OBJECTS, USAGE, Exporter, Metric
from app.diagnosis.questions import (
    AGES_SECONDS,
    INTERVAL_WINDOW_SECONDS,
    Counts,
    Fact,
    Kind,
    MetricQuestion,
    past_of,
)
from app.diagnosis.target import Target
from app.domain.profiles import Resource
from app.errors import RefusedQueryError, SourceError, ThrottledError, TooLargeError
from app.sources.cluster_labels import CLUSTER_LABEL, GOOGLE_LABELS, cluster_labels

_USUAL_INTERVALS_SECONDS = (1, 5, 10, 15, 20, 30, 60, 90, 120, 180, 240, 300, 600)
Answer: TypeAlias = Mapping[Fact, Counts] | SourceError


@dataclass(frozen=True, slots=True)
class Observations:
    """The facts that were answered at the time *now*, and the errors of the others."""

    target: Target
    now: float
    counts: Mapping[Fact, Counts] = field(default_factory=dict)
    errors: Mapping[Fact, SourceError] = field(default_factory=dict)

    def with_answers(self, asked: Iterable[MetricQuestion], answers: Sequence[Answer]) -> "Observations":
        """The facts with *answers* to the questions *asked*."""
        counts, errors = dict(self.counts), dict(self.errors)
        for question, answer in zip(asked, answers, strict=True):
            if isinstance(answer, SourceError):
                errors |= dict.fromkeys(question.parts, answer)
            else:
                counts |= answer
        return replace(self, counts=counts, errors=errors)

    def fault_of_server(self, exporter: Exporter) -> SourceError | None:
        """The error for which the server with the metrics of *exporter* answers no query at all."""
        error = self.errors.get(Fact(Kind.NEWEST, MAIN_METRICS[exporter][0].name))
        is_of_query = isinstance(error, RefusedQueryError | TooLargeError | ThrottledError)
        return None if is_of_query else error

    def of(self, kind: Kind, subject: str) -> Counts:
        """The values of a fact by labels; empty if there are none, or if it was not answered."""
        return self.counts.get(Fact(kind, subject), {})

    def number(self, kind: Kind, subject: str) -> float | None:
        """The sum of the values of a fact; None if it was not answered."""
        counts = self.counts.get(Fact(kind, subject))
        return None if counts is None else sum(counts.values())

    def by_job(self, kind: Kind, subject: str) -> Mapping[str, float]:
        """The values of a fact by scrape job."""
        return {job: count for (job,), count in self.of(kind, subject).items()}

    def has(self, metric: Metric) -> bool:
        """True if there are series of *metric* that the profiler reads; of objects also by renamed labels."""
        is_object = metric.exporter is Exporter.KUBE_STATE_METRICS
        return bool(self.of(Kind.SERIES, metric.name) or (is_object and self.of(Kind.RENAMED, metric.name)))

    def is_unknown(self, metric: Metric) -> bool:
        """True if it was not answered whether there is *metric*; it is not asked without a newest sample."""
        series = Fact(Kind.SERIES, metric.name)
        newest = (Fact(Kind.NEWEST, main.name) for main in MAIN_METRICS[metric.exporter])
        return series not in self.counts and any(fact in self.errors for fact in (series, *newest))

    def newest_seconds_of(self, metric: Metric) -> float | None:
        """The Unix time of the newest sample of *metric* in the last hour."""
        return max(self.of(Kind.NEWEST, metric.name).values(), default=None)

    def newest_seconds(self, exporter: Exporter) -> float | None:
        """The Unix time of the newest sample of its main metrics in the last hour."""
        return max(filter(None, map(self.newest_seconds_of, MAIN_METRICS[exporter])), default=None)

    def lags_seconds(self, exporter: Exporter) -> Mapping[str, float]:
        """The age of the newest sample of each scrape job that has one in the last hour."""
        lags_seconds: dict[str, float] = {}
        for metric in MAIN_METRICS[exporter]:
            for job, newest in self.by_job(Kind.NEWEST, metric.name).items():
                lag_seconds = max(self.now - newest, 0.0)
                lags_seconds[job] = min(lag_seconds, lags_seconds.get(job, lag_seconds))
        return lags_seconds

    def lag_seconds(self, exporter: Exporter) -> float | None:
        """The age of the newest sample; None without one in the last hour."""
        return min(self.lags_seconds(exporter).values(), default=None)

    def interval_seconds(self, exporter: Exporter) -> float | None:
        """The longest scrape interval of a job with the exporter's main metrics.

        A scrape may be missed, so the interval is that of the series with the most samples. These may span
        an interval less than the window: of the usual intervals the shortest that fits counts.
        """
        samples = [
            most
            for metric in MAIN_METRICS[exporter]
            for most in self.of(Kind.INTERVAL, metric.name).values()
            if most > 0
        ]
        if not samples:
            return None
        count = min(samples)
        shortest = INTERVAL_WINDOW_SECONDS / count
        longest = INTERVAL_WINDOW_SECONDS / (count - 1) if count > 1 else math.inf
        usual = [seconds for seconds in _USUAL_INTERVALS_SECONDS if shortest <= seconds <= longest]
        return min(usual, default=shortest)

    def since_seconds(self, metric: Metric) -> float | None:
        """The largest of the ages at which there was *metric*; 0 if it is younger, None if unknown."""
        ages = [age for age in AGES_SECONDS if Fact(Kind.SINCE, past_of(metric.name, age)) in self.counts]
        if not ages:
            return None
        return max((age for age in ages if self.of(Kind.SINCE, past_of(metric.name, age))), default=0)

    def duplicated_share(self, exporter: Exporter) -> float | None:
        """The share of containers or Pods that are scraped more than once."""
        objects = self.number(Kind.OBJECTS, exporter)
        return (self.number(Kind.DUPLICATED, exporter) or 0) / objects if objects else None

    def sampled(self, resource: Resource) -> float | None:
        """The containers of which the profiler gets a sample; None if it was not answered.

        If the query is too large for the server, the series count: the profiler sends smaller ones.
        """
        if isinstance(self.errors.get(Fact(Kind.SAMPLED, resource.value)), TooLargeError):
            return self.number(Kind.SERIES, USAGE[resource].name)
        return self.number(Kind.SAMPLED, resource.value)

    def clusters(self, exporter: Exporter, label: str = "") -> Mapping[str, frozenset[str]]:
        """The namespaces of each value of *label*, or of the label of the settings.

        Series without it have the value "".
        """
        scope = self.target.scope_of(exporter)
        place = cluster_labels(scope).index(label or scope.cluster_label)
        namespaces: dict[str, set[str]] = {}
        for namespace, *clusters in self.of(Kind.NAMESPACES, exporter):
            if namespace:
                namespaces.setdefault(clusters[place], set()).add(namespace)
        return {cluster: frozenset(names) for cluster, names in namespaces.items()}

    def has_google_labels(self, exporter: Exporter) -> bool:
        """True if series have all labels that Google's managed service sets."""
        labels = ("namespace", *cluster_labels(self.target.scope_of(exporter)))
        places = [labels.index(label) for label in (CLUSTER_LABEL, *GOOGLE_LABELS)]
        return any(all(key[place] for place in places) for key in self.of(Kind.NAMESPACES, exporter))

    def namespaces(self) -> frozenset[str]:
        """The namespaces with containers, in scope and of this cluster."""
        scope, clusters = self.target.scope, self.clusters(Exporter.KUBELET)
        ours = [clusters.get(scope.cluster_value, frozenset())] if scope.cluster else clusters.values()
        return frozenset(filter(scope.covers, frozenset().union(*ours)))

    def honors_labels(self) -> bool | None:
        """False if scraping renamed the labels of kube-state-metrics; None if it is not seen.

        Other targets may have some series of the same metrics.
        """
        renamed, own = (
            sum(self.number(kind, metric.name) or 0 for metric in OBJECTS)
            for kind in (Kind.RENAMED, Kind.SERIES)
        )
        return own >= renamed if own or renamed else None

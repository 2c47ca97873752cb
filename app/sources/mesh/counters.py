"""Rates of the counters of proxies: each event counts once, also before the first scrape of its series; pure.

`increase` starts at the first sample of a series. The value of this sample is lost, although a proxy starts a
series at its first request, and again after it has dropped an idle one. It counts if the proxy was scraped
before without the series, or if its process is as young. A part of Pods without new series has `increase`
alone. `rate` of VictoriaMetrics divides by the time between samples: of two series that follow each other in
a step, each would count for all of it.

Several scrapers may collect one proxy: two PodMonitors, two ports, a pair of Prometheus replicas. Per Pod,
the scraper with the highest rate counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.history.samples import STEP_SECONDS
from app.sources.mesh.new_series import EVERY_POD, TARGET, UP, PodPart
from app.sources.queries import WINDOW, Matchers, Scope, aggregate, selector

PROCESS_START = "process_start_time_seconds"
# The labels in which series of one proxy differ if it is scraped more than once.
SCRAPER_LABELS = (
    *("job", "instance", "endpoint", "container", "service"),
    *("prometheus", "prometheus_replica", "replica", "receive_replica", "tenant_id"),
)
_BY_TARGET = ",".join(TARGET)
_WATCHED_SECONDS = STEP_SECONDS + 60
# Windows of raw samples that a query reads of each series.
WINDOWS_PER_RATE = 4


@dataclass(frozen=True, slots=True)
class ProxyCounters:
    """The counters of proxies, and the matchers of their targets (`up`).

    Without *has_duplicates*, each proxy is scraped once. *series_labels* distinguish the series of a proxy.
    Labels that scraping adds are none of them: a series is not new because its Pod was relabelled.
    """

    series_labels: tuple[str, ...]
    targets: Matchers
    scope: Scope
    has_duplicates: bool = True
    part: PodPart = EVERY_POD

    def total(self, labels: Iterable[str], metric: str, matchers: Matchers) -> str:
        """The rate per second by *labels*."""
        labels = tuple(labels)
        if self.has_duplicates:
            return aggregate("sum", labels, self.by_pod(labels, metric, matchers))
        return _per_second(aggregate("sum", labels, self._increases(self._selector(metric, matchers))))

    def by_pod(self, labels: Iterable[str], metric: str, matchers: Matchers) -> str:
        """The rate per second by *labels* and Pod; series without a Pod are added up by *labels*."""
        labels = tuple(labels)
        of_pods, of_others = (self._selector(metric, (*matchers, f'pod{sign}""')) for sign in ("!=", "="))
        increases = _of_one_scraper(labels, self._increases(of_pods))
        others = aggregate("sum", labels, f"increase({of_others}[{WINDOW}])")
        return f"{_per_second(increases)} or {_per_second(others)}"

    def native_total(self, labels: Iterable[str], metric: str, matchers: Matchers) -> str:
        """The rate per second of the sums of native histograms without a classic form, by *labels*."""
        labels = tuple(labels)
        native, classic = (self._selector(name, matchers) for name in (metric, f"{metric}_sum"))
        increases = f"histogram_sum(increase({native}[{WINDOW}])) unless on ({','.join(self.series_labels)}) "
        increases += f"last_over_time({classic}[{WINDOW}])"
        return _per_second(aggregate("sum", labels, _of_one_scraper(labels, increases)))

    def scrapes(self, labels: Iterable[str]) -> str:
        """The number of successful scrapes in the step (the maximum of all series with the same *labels*)."""
        return aggregate("max", labels, f"sum_over_time({self._target(UP)}[{WINDOW}])")

    def _increases(self, series: str) -> str:
        """The increase of each series of a Pod in the step; a new series counts in full.

        It is new if no scrape of the minute before the step has it, although its target was scraped then, or
        earlier in the step than it.
        """
        if not self.part.may_have_new:
            return f"increase({series}[{WINDOW}])"
        before = f"count_over_time({series}[1m] offset {WINDOW})"
        new = f"max_over_time({series}[{WINDOW}]) and ({self._is_watched(series)}) unless "
        new += f"on ({','.join(self.series_labels)}) {before}"
        return f"{new} or increase({series}[{WINDOW}])"

    def _is_watched(self, series: str) -> str:
        """The series whose target was scraped more often, with the minute before the step, than they were.

        A process start, as seconds since 1970, is larger than any number of scrapes.
        """
        scrapes = f"sum_over_time({self._target(UP)}[{_WATCHED_SECONDS}s])"
        young = f"{self._target(PROCESS_START)} > time() - {_WATCHED_SECONDS}"
        seen = aggregate("max", TARGET, f"{young} or {scrapes}")
        return f"count_over_time({series}[{WINDOW}]) < on ({_BY_TARGET}) group_left () {seen}"

    def _selector(self, metric: str, matchers: Matchers) -> str:
        return selector(metric, (*matchers, *self.part.matchers), self.scope)

    def _target(self, metric: str) -> str:
        return selector(metric, self.targets, self.scope)


def _per_second(increases: str) -> str:
    return f"{increases} / {STEP_SECONDS}"


def _of_one_scraper(labels: tuple[str, ...], values: str) -> str:
    """The *values* by *labels* and Pod, from the scraper with the highest sum."""
    by_scraper = aggregate("sum", (*labels, "pod", *SCRAPER_LABELS), values)
    return aggregate("max", (*labels, "pod"), by_scraper)

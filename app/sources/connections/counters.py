"""Rates of the counters of proxies: each event counts once, also before the first scrape of its series; pure.

`increase` starts at the first sample of a series. The value of this sample is lost, although a proxy starts a
series at its first request, and again after it has dropped an idle one. It counts in full

- if the process of the proxy is as young as the step, or
- if the target was scraped before without the series, and other targets of its job had the metric before: a
  metric that a job begins to keep has the counts of weeks.

Of Pods without new series `increase` alone is asked. (`rate` of VictoriaMetrics divides by the time between
samples: of two series that follow each other in a step, each would count for all of it.)
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.history.samples import STEP_SECONDS
from app.sources.connections.new_series import ANY_POD, UP, PodsWithNewSeries
from app.sources.connections.scrapers import TARGET
from app.sources.queries import WINDOW, Matchers, Scope, aggregate, selector

# The time before a step in which a series that is not new has a sample, and that for a second scrape.
_BEFORE, _BEFORE_SECONDS = "2m", 120
_WATCHED_SECONDS = STEP_SECONDS + _BEFORE_SECONDS
_ENDLESS = "1e9"  # scrapes; more than there are
# Windows of raw samples that a query reads of each series.
WINDOWS_PER_RATE = 4


@dataclass(frozen=True, slots=True)
class ProxySeries:
    """What the proxies of a mesh expose: labels that distinguish the series of one, and its age.

    *start* has the Unix time of the start of the proxy's process, *uptime* its age in seconds; either may be
    unknown. Labels that scraping adds are not in *series_labels*: a series is not new because its Pod was
    relabelled.
    """

    series_labels: tuple[str, ...]
    start: str = ""
    uptime: str = ""


@dataclass(frozen=True, slots=True)
class ProxyCounters:
    """The counters of the proxies with *targets*, the matchers of their `up`.

    Without *scraper_labels*, each proxy is scraped once.
    """

    proxy: ProxySeries
    targets: Matchers
    scope: Scope
    scraper_labels: tuple[str, ...] = ()
    new_series: PodsWithNewSeries = ANY_POD

    def total(self, labels: Iterable[str], metric: str, matchers: Matchers) -> str:
        """The rate per second by *labels*."""
        labels = tuple(labels)
        if self.scraper_labels:
            return aggregate("sum", labels, self.by_pod(labels, metric, matchers))
        return _per_second(aggregate("sum", labels, self._increases(metric, matchers)))

    def by_pod(self, labels: Iterable[str], metric: str, matchers: Matchers) -> str:
        """The rate per second by *labels* and Pod; series without a Pod are added up by *labels*."""
        labels = tuple(labels)
        of_pods = self._increases(metric, (*matchers, 'pod!=""'))
        of_others = self._selector(metric, (*matchers, 'pod=""'))
        others = aggregate("sum", labels, f"increase({of_others}[{WINDOW}])")
        return f"{_per_second(self._of_one_scraper(labels, of_pods))} or {_per_second(others)}"

    def native_total(self, labels: Iterable[str], metric: str, matchers: Matchers) -> str:
        """The rate per second of the sums of native histograms without a classic form, by *labels*."""
        labels = tuple(labels)
        native, classic = (self._selector(name, matchers) for name in (metric, f"{metric}_sum"))
        increases = f"histogram_sum(increase({native}[{WINDOW}])) unless {self._on_series()} "
        increases += f"last_over_time({classic}[{WINDOW}])"
        if self.scraper_labels:
            increases = self._of_one_scraper(labels, increases)
        return _per_second(aggregate("sum", labels, increases))

    def scrapes(self, labels: Iterable[str]) -> str:
        """The number of successful scrapes in the step (the maximum of all series with the same *labels*)."""
        return aggregate("max", labels, f"sum_over_time({self._target(UP)}[{WINDOW}])")

    def _increases(self, metric: str, matchers: Matchers) -> str:
        """The increase of each series in the step; a new series counts in full."""
        every = self._selector(metric, matchers)
        increase = f"increase({every}[{WINDOW}])"
        if self.new_series.are_none:
            return increase
        series = self._selector(metric, (*matchers, *self.new_series.matchers))
        jobs = aggregate("group", ("job",), f"{every} offset {WINDOW}")
        watched = f"count_over_time({series}[{WINDOW}]) < on ({','.join(self._target_labels)}) group_left () "
        watched += aggregate("max", self._target_labels, self._scrapes_that_count(jobs))
        before = f"count_over_time({series}[{_BEFORE}] offset {WINDOW})"
        new = f"max_over_time({series}[{WINDOW}]) and ({watched}) unless {self._on_series()} {before}"
        return f"{new} or {increase}"

    def _scrapes_that_count(self, jobs: str) -> str:
        """The scrapes of each target of *jobs* since a while before the step; endless for a young proxy."""
        oldest = f"time() - {_WATCHED_SECONDS}"
        young = {self.proxy.start: f"> {oldest}", self.proxy.uptime: f"< {_WATCHED_SECONDS}"}
        endless = (
            f"({self._target(metric)} {age}) + {_ENDLESS} or " for metric, age in young.items() if metric
        )
        return f"{''.join(endless)}sum_over_time({self._target(UP)}[{_WATCHED_SECONDS}s]) and on (job) {jobs}"

    def _of_one_scraper(self, labels: tuple[str, ...], values: str) -> str:
        """The *values* by *labels* and Pod, from the scraper with the highest sum."""
        by_pod = (*labels, "pod")
        if not self.scraper_labels:
            return aggregate("sum", by_pod, values)
        return aggregate("max", by_pod, aggregate("sum", (*by_pod, *self.scraper_labels), values))

    @property
    def _target_labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*TARGET, *self.scraper_labels)))

    def _on_series(self) -> str:
        return f"on ({','.join(self.proxy.series_labels)})"

    def _selector(self, metric: str, matchers: Matchers) -> str:
        return selector(metric, matchers, self.scope)

    def _target(self, metric: str) -> str:
        return selector(metric, self.targets, self.scope)


def _per_second(increases: str) -> str:
    return f"{increases} / {STEP_SECONDS}"
